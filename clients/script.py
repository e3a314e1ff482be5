"""What a shell on another machine is told to do, and how its answers read. Pure text.

Every value is quoted once, here. A script travels on the shell's standard input, so nothing of
it is seen in a list of processes on either side.
"""

import base64
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from clients.command import Command
from clients.files import File
from clients.node import Entry
from clients.variables import HONOURED, MORE_PATH

# The whole command line of the shell: it reads the length of a script, the script, runs it, and
# so on until nobody is there or more is said than a length.
LOOP = 'while read -r n last; do s=$(head -c "$n"); (eval "$s"); [ -z "$last" ] || exit; done'

# A connection that is lost without a word is given up so many seconds after the last sign of life:
# what runs there first, so that who takes the lock next does not meet it.
SILENT_S = 40
LOCK_SILENT_S = 60
LOCK_WAIT_S = LOCK_SILENT_S + 15

# All input is taken in before the command gets any of it, by a process of its own: a command that
# does not read it keeps nobody from hearing that the connection is lost.
_FEED = 'fed=$(head -c {} | base64); printf %s "$fed" | base64 -d & '

# Ends the process group it is in, and itself last: at SIGINT restic lets go of its lock, at SIGTERM
# most others clean up. It returns as soon as none is left but the shells above it, which wait for
# it, and the sudo above them.
_END = """trap '' INT TERM
read -r line </proc/self/stat; me=${line%% *}; set -- ${line##*) }; group=$3
above=" $me $2 $$ $PPID "
others() {
    for at in /proc/[0-9]*/stat; do
        { read -r line <"$at"; } 2>/dev/null || continue
        case $above in *" ${line%% *} "*) continue ;; esac
        set -- ${line##*) }
        [ "$3" = "$group" ] && [ "$1" != Z ] && return 0
    done
    return 1
}
now() { read -r up _ </proc/uptime; now=${up%.*}${up#*.}; }
end() {
    kill -"$1" 0; now; last=$((now + $2))
    while others; do [ "$now" -lt "$last" ] || return; sleep 0.1; now; done
    exit 0
}
end INT 200; end TERM 100; kill -9 0"""


def request(length: int, *, last: bool) -> str:
    return f"{length} last\n" if last else f"{length}\n"


def framed(body: str, mark: str, stdin_bytes: int) -> str:
    """The body between marks on both streams, its exit status after the last one.

    What else is said (a login shell's greeting) is told apart by the mark, and a status of the
    command from one of the connection. The command's input is followed by silence; then a line
    means that all is well, an end that nobody is there any more: the whole process group is
    asked to end and then killed, so that no command outlives a connection that was lost.
    """
    feed = _FEED.format(stdin_bytes) if stdin_bytes else ""
    return (
        _begin(mark)
        + f"{{ {feed}exec >&-\n{_listen(SILENT_S, well='exit 0', lost='break')}{_END}; }} |\n"
        + f"{{ {_body(body, mark)}; }}\n"
    )


def _listen(silent_s: int, *, well: str, lost: str) -> str:
    """Hear the signs of life on standard input; what is done at its line, and without one."""
    return f"""while :; do
    case $(timeout {silent_s} head -c 1 9>&-; echo x) in
        .x) ;;
        ?x) {well} ;;
        *) {lost} ;;
    esac
done
"""


def held(body: str, mark: str) -> str:
    """The same for a body that itself listens to the connection."""
    return _begin(mark) + _body(body, mark) + "\n"


def _begin(mark: str) -> str:
    return f"echo {mark}; echo {mark} >&2\n"


def _body(body: str, mark: str) -> str:
    return f"(\n{body}\n); status=$?; echo {mark}; echo {mark} $status >&2"


def of(command: Command) -> str:
    """Run the command in place of the shell."""
    return _surroundings(command) + f"exec {shlex.join(command.argv())}"


def piped(commands: Sequence[Command], mark: str) -> str:
    """Each command reads what the one before it prints; every status goes to stderr."""
    parts = [
        f"{{ (\n{of(command)}\n); printf '{mark} %d %d\\n' {index} $? >&2; }}"
        for index, command in enumerate(commands)
    ]
    return " |\n".join(parts)


def parse_piped(stderr: str, mark: str) -> tuple[list[int], str]:
    """The status of each command in order, and what else was said."""
    found: dict[int, int] = {}
    rest: list[str] = []
    for line in stderr.splitlines(keepends=True):
        text, marked, told = line.partition(mark)
        if marked:
            index, status = told.split()
            found[int(index)] = int(status)
        rest.append(text)
    return [found[index] for index in sorted(found)], "".join(rest)


def spawn(command: Command, log_file: Path) -> str:
    """Start the command in a session of its own; prints its pid."""
    log, folder = _q(log_file), _q(log_file.parent)
    words = shlex.join(command.argv())
    return (
        f"mkdir -p {folder} || exit 1\n"
        + _surroundings(command)
        + f"setsid {words} >>{log} 2>&1 </dev/null & echo $!"
    )


def which(program: str) -> str:
    return f"PATH=$PATH:{MORE_PATH}; command -v {shlex.quote(program)}"


def look(paths: Iterable[Path]) -> str:
    """Prints a line for each path, which `parse_look` reads."""
    return f"""set -- {" ".join(_q(path) for path in paths)}
for at do
    if [ -d "$at" ]; then stat -L -c '%a %u' "$at" || exit 1
    elif [ -e "$at" ]; then
        printf '%s ' "$(stat -L -c '%a %u' "$at")" && base64 -w 0 <"$at" && echo . || exit 1
    else echo absent
    fi
done"""


def parse_look(text: str, paths: Iterable[Path]) -> dict[Path, Entry | None]:
    lines = text.splitlines()
    return {path: _entry(line.split()) for path, line in zip(paths, lines, strict=True)}


def write(file: File) -> str:
    """Put standard input in place as `clients.files` does; prints its digest read back."""
    link = 'path=$(realpath -m -- "$path")' if file.foreign else ""
    in_place = ' 2>/dev/null || { cat "$new" >"$path"; sync "$path"; }' if file.foreign else ""
    return f"""set -e
path={_q(file.path)}; {link}
folder=${{path%/*}}/; pattern=$folder.${{path##*/}}.XXXXXX; new=; old=
mkdir -p "$folder"
umask 077
trap 'rm -f "$new" "$old"' EXIT
ready() {{ {_owner(file)}chmod {file.mode:o} "$1"; sync "$1"; }}
new=$(mktemp "$pattern"); cat >"$new"; ready "$new"
if {str(file.keep_previous).lower()} && [ -f "$path" ] && [ ! -L "$path" ]; then
    old=$(mktemp "$pattern"); dd if="$path" iflag=nofollow bs=64K status=none >"$old"
    cmp -s "$old" "$new" || {{ ready "$old"; mv -fT "$old" "$path.previous"; }}
fi
mv -fT "$new" "$path"{in_place}
sync "$folder"
sha256sum <"$path" """


def _owner(file: File) -> str:
    """What gives "$1" the user and group the file has to have."""
    if file.foreign:
        return """[ ! -e "$path" ] || chown --reference="$path" "$1" 2>/dev/null || {
    echo "$path cannot be written: it belongs to $(stat -c '%U:%G' "$path"), and this user" \
        "cannot keep it so; run as that user or as root" >&2
    exit 1
}
"""
    if file.owner is None:
        return ""
    return f'[ "$(id -u)" != 0 ] || chown {file.owner}:{file.owner} "$1"; '


LOCKED = 75
LOST_ITS_READER = 128 + 13


def hold(path: Path, holder: str) -> str:
    """Lock the file and say so, until no sign of life comes for a minute.

    Status LOCKED, and on stderr what the holder wrote, if it is taken.
    """
    take = f"""flock -n 9 || {{ cat "$path" >&2; exit {LOCKED}; }}
printf %s {shlex.quote(holder)} >"$path" """
    return _hold(path, take)


def hold_again(path: Path, holder: str) -> str:
    """The same for a lock that a lost connection took along, if nobody had it since.

    Who lets go of a lock empties the file, who loses it leaves his name there. A connection that is
    lost without a word still holds it for a while.
    """
    take = f"""mine() {{ [ "$(cat "$path")" = {shlex.quote(holder)} ]; }}
mine && flock -w {LOCK_WAIT_S} 9 && mine || {{ cat "$path" >&2; exit {LOCKED}; }}"""
    return _hold(path, take)


def _hold(path: Path, take: str) -> str:
    let_go = ': >"$path"; exit'
    return f"""path={_q(path)}
mkdir -p {_q(path.parent)} && [ ! -L "$path" ] || exit 1
umask 077
exec 9<>"$path" || exit 1
{take}
echo held
{_listen(LOCK_SILENT_S, well=let_go, lost="exit")}"""


def _surroundings(command: Command) -> str:
    lines = [f"cd {_q(command.cwd)} || exit 126"] if command.cwd else []
    names = "env | sed -n 's/^\\([A-Za-z_][A-Za-z0-9_]*\\)=.*/\\1/p'"
    kept = "|".join(HONOURED)
    lines.append(f"for n in $({names}); do case $n in {kept}) ;; *) unset $n ;; esac; done")
    lines.append(f"PATH=$PATH:{MORE_PATH}; export PATH")
    for name, value in command.env:
        text = value if isinstance(value, str) else value.value
        lines.append(f"export {name}={shlex.quote(text)}")
    return "\n".join(lines) + "\n"


def _entry(words: list[str]) -> Entry | None:
    if words == ["absent"]:
        return None
    mode, owner, *content = words
    data = base64.b64decode(content[0].removesuffix(".")) if content else None
    return Entry(data, int(mode, 8), int(owner))


def _q(path: Path | str) -> str:
    """A path can look like an option only if it is relative, which none is here."""
    return shlex.quote(str(path))
