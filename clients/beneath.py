"""Commands on what lies below a folder that a container writes, where no link is ever followed.

A container may put a link in place of any folder or file of its own, at any moment. So a shell
walks down one folder after the other, asks the kernel where it stands, and touches only names in
that folder: by renaming, which takes a link for what it is, or by opening without following. What
is swapped meanwhile stays within the container's own data. Pure text, for any node.
"""

from pathlib import Path

from clients.command import Command

DAY_S = 86_400
# $1: the folder, $2: a path below it. Ends in the folder that holds the path's last part, $name.
_WALK = """set -euf
cd -P -- "$1"; at=$(env pwd -P); name=${2##*/}; rest=${2%"$name"}
while [ -n "$rest" ]; do
    part=${rest%%/*}; rest=${rest#*/}; made=
    if [ "$mode" = put ] && mkdir -- "./$part" 2>/dev/null; then made=yes; fi
    cd -P -- "./$part" && at=${at%/}/$part
    [ "$(env pwd -P; echo .)" = "$at
." ] || { echo "$at is a link, which is not followed" >&2; exit 1; }
    [ -z "$made" ] || chown --reference=.. .
done
case $name in ''|.|..) echo "no file is named $2" >&2; exit 1;; esac
"""
_PUT = """
[ ! -d "$3" ] || [ "$(stat -c %d .)" = "$(stat -c %d -- "$3")" ] || {
    echo "$at is on another disk than $3" >&2; exit 1
}
if [ -e "./$name" ] || [ -L "./$name" ]; then
    rm -rf --one-file-system -- "./$name.previous"
    mv -T -- "./$name" "./$name.previous"
fi
mv -T -- "$3" "./$name"
"""
_READ = 'exec dd if="./$name" iflag=nofollow,nonblock bs=64K status=none\n'
_DIGESTS = r"""cd -P -- "$1"
find "./$2" -type f -name "$3" -printf '%P ' \
    -execdir sh -c 'dd if="$1" iflag=nofollow,nonblock bs=64K status=none | sha256sum' sh {} \;
"""


def put(root: Path, path: str, new: Path) -> Command:
    """Move `new` to the path below the root; a file of that name stays beside it as
    `.previous`.

    Folders that are missing on the way are made, and belong to who owns the one above.
    """
    return _shell("mode=put\n" + _WALK + _PUT, root, path, str(new), timeout_s=DAY_S)


def read(root: Path, path: str) -> Command:
    """Print the file."""
    return _shell("mode=read\n" + _WALK + _READ, root, path, changes=False)


def digests(root: Path, folder: str, name: str) -> Command:
    """Print `path digest -` for each file of that name below the folder, which lies in the root."""
    return _shell(_DIGESTS, root, folder, name, timeout_s=600, changes=False)


def parse_digests(text: str) -> dict[str, str]:
    """Path below the folder → SHA-256, by path."""
    lines = sorted(line.rsplit(maxsplit=2) for line in text.splitlines())
    return {path: digest for path, digest, _ in lines}


def _shell(
    script: str, root: Path, *words: str, timeout_s: float = 60, changes: bool = True
) -> Command:
    return Command(
        ("sh", "-c", script, "sh", str(root), *words), timeout_s=timeout_s, changes=changes
    )
