# Where the lab lies and what it is called; every value may be given by the environment.
here=$(cd "$(dirname "$0")" && pwd)
LAB_HOME=${LAB_HOME:-$(cd "$here/../../.." && pwd)/.lab}
LAB_NAME=${LAB_NAME:-dify-rollout-lab}
LAB_SUBNET=${LAB_SUBNET:-172.30.70.0/24}
LAB_IP=${LAB_IP:-${LAB_SUBNET%.*}.10}
# The Debian of the node, with its PostgreSQL and its Ansible; PostgreSQL 18 is Debian's next release's.
LAB_SUITE=${LAB_SUITE:-bookworm}
case $LAB_SUITE in
bookworm) postgres=15 postgres_from=bookworm ansible=7.7.0 ;;
trixie) postgres=18 postgres_from=forky ansible=12.3.0 ;;
*) echo "LAB_SUITE: expected bookworm or trixie, not $LAB_SUITE" >&2; exit 1 ;;
esac
tree=$LAB_HOME/pigsty
key=$LAB_HOME/key
image=$LAB_NAME:$LAB_SUITE-$(cat "$here/image" "$here/packages" "$here/prepare" "$here"/node/* | sha256sum | cut -c1-12)

say() { printf '%s lab: %s\n' "$(date +%T)" "$*"; }
fail() { printf 'lab: %s\n' "$*" >&2; exit 1; }
