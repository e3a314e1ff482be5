"""ansible as this project uses it: one command on one host, the answer on one line."""

import argparse
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from engine.ansible_playbook import find_inventory, warn
from engine.world import Host, NoSudo, Unreachable, as_user, load_world

OURS = ("/pg", "/etc/nginx", "/etc/redis", "/etc/docker", "/etc/pgbouncer", "/etc/dnsmasq.d",
        "/data", "/etc/systemd/system", "/var/log/nginx", "/www", "/run/nginx.pid")  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser("ansible", allow_abbrev=False)
    parser.add_argument("pattern")
    parser.add_argument("-b", "--become", action="store_true")
    parser.add_argument("--become-user", default="root")
    parser.add_argument(
        "-m", "--module-name", choices=["command", "copy", "debug"], default="command"
    )
    parser.add_argument("-a", "--args", required=True)
    parser.add_argument("-o", "--one-line", action="store_true")
    given = parser.parse_args()
    inventory, world = find_inventory(None), load_world(Path.cwd())
    names = inventory.match(given.pattern)
    if not names:
        warn(f"Could not match supplied host pattern, ignoring: {given.pattern}")
        warn("No hosts matched, nothing to do")
    hosts = [world.host(name, inventory, {}) for name in names]
    if given.module_name == "debug":
        for host in hosts:
            _show(host, given.args)
        return 0
    if given.module_name == "copy":
        return max(
            (_reached(host, lambda host: _copy(host, given.args)) for host in hosts), default=0
        )
    return max(
        (_reached(host, lambda host: _ask(host, given.args, given.become_user)) for host in hosts),
        default=0,
    )


def _show(host: Host, text: str) -> None:
    """All variables of the host, as `var=hostvars[inventory_hostname]` wants them."""
    name = text.removeprefix("var=")
    shown = json.dumps({"changed": False, name: host.vars}, default=str)
    print(f"{host.name} | SUCCESS => {shown}")


def _reached(host: Host, work: Callable[[Host], int]) -> int:
    """What the work on the host ended with, or why it is not reached."""
    try:
        host.require_reachable()
    except Unreachable as error:
        print(f"{host.name} | UNREACHABLE!: {error}")
        return 4
    except NoSudo:
        print(f'{host.name} | FAILED! => {{"msg": "Missing sudo password"}}')
        return 2
    return work(host)


def _copy(host: Host, text: str) -> int:
    """The file there, of `src=… dest=… mode=…`; a link is followed, and its owner stays."""
    options = dict(word.split("=", 1) for word in shlex.split(text))
    target = Path(_inside(host, options["dest"])).resolve()
    content = Path(options["src"]).read_bytes()
    changed = not target.is_file() or target.read_bytes() != content
    try:
        target.write_bytes(content)
        target.chmod(int(options["mode"], 8))
    except OSError as error:
        print(f"{host.name} | FAILED! => {json.dumps({'changed': False, 'msg': str(error)})}")
        return 2
    word = "CHANGED" if changed else "SUCCESS"
    print(f"{host.name} | {word} => {json.dumps({'changed': changed, 'dest': options['dest']})}")
    return 0


def _ask(host: Host, text: str, user: str) -> int:
    words = [_inside(host, word) for word in shlex.split(text)]
    try:
        done = subprocess.run(words, cwd="/", env=_environment(host), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False,
                              **as_user(_whom(host, user, words[0])))  # fmt: skip
    except OSError as error:
        why = f"[Errno {error.errno}] {error.strerror}: b'{words[0]}'"
        failed = {"changed": False, "cmd": text, "msg": why, "rc": error.errno}
        print(f"{host.name} | FAILED! => {json.dumps(failed)}")
        return 2
    out, err = done.stdout.strip("\n"), done.stderr.strip("\n")
    if done.returncode != 0:
        failed = {"changed": True, "cmd": words, "msg": "non-zero return code",
                  "rc": done.returncode, "stderr": err, "stdout": out}  # fmt: skip
        print(f"{host.name} | FAILED! => {json.dumps(failed)}")
        return 2
    tail = f" (stderr) {_line(err)}" if err else ""
    print(f"{host.name} | CHANGED | rc=0 | (stdout) {_line(out)}{tail}")
    return 0


def _inside(host: Host, word: str) -> str:
    """A path of the machine's is one in its directory."""
    inside = any(word == ours or word.startswith(f"{ours}/") for ours in OURS)
    return str(host.path(word)) if inside else word


def _whom(host: Host, user: str, program: str) -> str | None:
    """What plays pgBackRest is Python of ours, which that user may not be able to read."""
    ours = Path(program).name in ("pgbackrest", "pg-backup")
    return None if user == "root" or ours else host.world.user


def _environment(host: Host) -> dict[str, str]:
    """Programs of the machine come first: nginx there reads the machine's own files."""
    programs = f"{host.world.folder}/bin:{host.world.programs}/bin"
    return {
        **os.environ,
        "PATH": f"{programs}:{os.environ.get('PATH', '')}",
        "DOUBLE_ROOT": str(host.root),
        "DOUBLE_USER": host.world.user,
        "PGHOST": str(host.path("/pg/run")),
        "PGPORT": str(host.port("pg_port", 5432)),
    }


def _line(text: str) -> str:
    return text.replace("\r", "\\r").replace("\n", "\\n")


if __name__ == "__main__":
    sys.exit(main())
