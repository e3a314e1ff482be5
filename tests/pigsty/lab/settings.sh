# Where the lab lies and what it is called; every value may be given by the environment.
here=$(cd "$(dirname "$0")" && pwd)
LAB_HOME=${LAB_HOME:-$(cd "$here/../../.." && pwd)/.lab}
LAB_NAME=${LAB_NAME:-dify-rollout-lab}
LAB_SUBNET=${LAB_SUBNET:-172.30.70.0/24}
LAB_IP=${LAB_IP:-${LAB_SUBNET%.*}.10}
tree=$LAB_HOME/pigsty
key=$LAB_HOME/key
image=$LAB_NAME:$(cat "$here/image" "$here/packages" "$here/prepare" "$here"/node/* | sha256sum | cut -c1-12)

say() { printf '%s lab: %s\n' "$(date +%T)" "$*"; }
fail() { printf 'lab: %s\n' "$*" >&2; exit 1; }
