"""Pigsty's bin/*: each checks its words, calls a playbook and translates its status.

They stay in the caller's directory, so a playbook called from elsewhere finds no inventory.
"""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

COLOURS = {"OK": 32, "WARN": 33, "FAIL": 31, "HINT": 34}
# Without an end: "10.0.0.5extra" passes.
ADDRESS = re.compile(r"((\d|\d{2}|1\d{2}|2[0-4]\d|25[0-5])\.){3}(\d|\d{2}|1\d{2}|2[0-4]\d|25[0-5])")
HBA_TAGS = "pg_hba,pg_reload,pgbouncer_hba,pgbouncer_reload"
LOWEST, HIGHEST = 1024, 65535


class Refused(Exception):
    def __init__(self, status: int, text: str) -> None:
        self.status = status
        super().__init__(text)


def main(home: Path, name: str, words: Sequence[str]) -> int:
    try:
        COMMANDS[name](home, [*words])
    except Refused as error:
        say("FAIL", str(error))
        return error.status
    return 0


def pgsql_add(home: Path, words: list[str]) -> None:
    cluster, addresses = _cluster(words), words[1:]
    _require_addresses(addresses)
    line("EXECUTE")
    if not addresses:
        say("OK", f"create pgsql cluster '{cluster}' begin")
        _play(home, "pgsql.yml", "-l", cluster,
              failing=(2, f"fail to create pgsql cluster for '{cluster}'"))  # fmt: skip
        _summary(f"create pgsql cluster {cluster} complete!")
        return
    several = ",".join(addresses)
    _play(home, "pgsql.yml", "-l", f"{several},&{cluster}",
          failing=(4, f"fail to init pgsql instance for {several} of {cluster}"))  # fmt: skip
    others = ",".join([cluster, *(f"!{address}" for address in addresses)])
    _play(home, "pgsql.yml", "-l", others, "-t", "pg_service",
          failing=(5, f"fail to reload pgsql services on {others}"))  # fmt: skip
    _summary(f"init pgsql instance {several} of {cluster} success")


def pgsql_user(home: Path, words: list[str]) -> None:
    cluster, name = _cluster(words), _second(words, "username is empty")
    line("EXECUTE")
    say("WARN", f"create pgsql user '{name}' on '{cluster}'")
    _play(home, "pgsql-user.yml", "-l", cluster, "-e", f"username={name}",
          failing=(3, f"fail to create pgsql user on '{cluster}'"))  # fmt: skip
    _summary(f"create pgsql user {name} on '{cluster}' complete")


def pgsql_db(home: Path, words: list[str]) -> None:
    cluster, name = _cluster(words), _second(words, "dbname is empty")
    line("EXECUTE")
    say("WARN", f"create pgsql database '{name}' on '{cluster}'")
    _play(home, "pgsql-db.yml", "-l", cluster, "-e", f"dbname={name}",
          failing=(3, f"fail to create pgsql database on '{cluster}'"))  # fmt: skip
    _summary(f"create pgsql database {name} on '{cluster}' complete")


def pgsql_hba(home: Path, words: list[str]) -> None:
    cluster, addresses = _cluster(words), words[1:]
    _require_addresses(addresses)
    where = f"{','.join(addresses)},&{cluster}" if addresses else cluster
    line("EXECUTE")
    say("WARN", f"reload hba rules for '{cluster}'")
    _play(home, "pgsql.yml", "-l", where, "-t", HBA_TAGS,
          failing=(4 if addresses else 2, f"fail to reload hba rules for '{cluster}'"))  # fmt: skip
    _summary(f"reload hba rules for '{cluster}' complete")


def redis_add(home: Path, words: list[str]) -> None:
    selector, ports = (words[0] if words else ""), words[1:]
    say("OK", f"redis selector: {selector}")
    if not selector:
        raise Refused(1, "redis selector is empty")
    kind = "node" if ADDRESS.search(selector) else "cluster"
    if ports and kind == "cluster":
        raise Refused(3, "you have to use bin/redis-add <ip> [port...] format")
    for port in ports:
        if not (port.isdigit() and LOWEST <= int(port) <= HIGHEST):
            raise Refused(3, f"invalid port number given: {port}")
    line("EXECUTE")
    if not ports:
        say("WARN", f"init redis {kind} {selector}")
        _play(home, "redis.yml", "-l", selector,
              failing=(2, f"fail to create redis {kind} {selector}"))  # fmt: skip
        _summary(f"create redis {kind} {selector} complete")
    for port in ports:
        _play(home, "redis.yml", "-l", selector, "-e", f"redis_port={port}",
              failing=(4, f"fail to init redis instance {selector}:{port}"))  # fmt: skip
        say("OK", f"init redis instance: {selector}:{port} complete")


COMMANDS = {
    "pgsql-add": pgsql_add,
    "pgsql-user": pgsql_user,
    "pgsql-db": pgsql_db,
    "pgsql-hba": pgsql_hba,
    "redis-add": redis_add,
}


def say(level: str, text: str) -> None:
    colour = f"\x1b[0;{COLOURS[level]}m"
    print(f"[{colour}{level:^4}\x1b[0m] {colour}{text}\x1b[0m", flush=True)


def line(word: str) -> None:
    print(f"\x1b[0;35m[{word}] ===========================================\x1b[0m", flush=True)


def hint(text: str) -> None:
    print(f"\x1b[0;34m{text}\x1b[0m", flush=True)


def _cluster(words: Sequence[str]) -> str:
    if not words or not words[0]:
        raise Refused(1, "pg_cluster is empty")
    return words[0]


def _second(words: Sequence[str], complaint: str) -> str:
    if len(words) < 2 or not words[1]:
        raise Refused(2, complaint)
    return words[1]


def _require_addresses(words: Sequence[str]) -> None:
    for word in words:
        if not ADDRESS.search(word):
            raise Refused(3, f"invalid ip address given: {word}")


def _play(home: Path, playbook: str, *words: str, failing: tuple[int, str]) -> None:
    hint(" ".join((f"$ ./{playbook}", *words)))
    if subprocess.run((str(home / playbook), *words), check=False).returncode != 0:
        line("FAILURE")
        raise Refused(*failing)


def _summary(text: str) -> None:
    line("SUMMARY")
    say("OK", text)


if __name__ == "__main__":
    script = Path(sys.argv[1])
    sys.exit(main(script.resolve().parent.parent, script.name, sys.argv[2:]))
