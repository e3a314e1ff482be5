"""Pigsty's configure: writes pigsty.yml from a template, over whatever was there."""

import argparse
import re
import secrets
import sys
from pathlib import Path

from engine.wrapper import ADDRESS, say

PLACEHOLDER = "10.10.10.10"
VERSIONS = range(14, 20)


def main(home: Path, words: list[str], *, modern: bool) -> int:
    given = _arguments(words, modern=modern)
    if given is None:
        return 1
    version = getattr(given, "pg_version", None)
    if version is not None and not (version.isdigit() and int(version) in VERSIONS):
        say("FAIL", f"invalid pg major version: {version}")
        return 1
    if given.ip and not ADDRESS.search(given.ip):
        say("FAIL", f"primary_ip = {given.ip} invalid (from argument)")
        return 7
    template = home / ("conf" if modern else "files/pigsty") / f"{given.conf}.yml"
    if not template.exists():
        say("FAIL", f"config template {template} not found")
        return 11
    say("OK", f"region = {given.region or 'default'}")
    say("WARN", "ssh = root@127.0.0.1 failed")
    text = template.read_text()
    if given.ip:
        say("OK", f"primary_ip = {given.ip} (from argument)")
        text = text.replace(PLACEHOLDER, given.ip)
    if version:
        text = re.sub(r"pg_version: \d+", f"pg_version: {version}", text)
    if getattr(given, "generate", False):
        text = _generated(text)
    target = home / (getattr(given, "output", None) or "pigsty.yml")
    target.touch(mode=0o600)
    target.chmod(0o600)
    target.write_text(text)
    say("OK", "configure pigsty done")
    return 0


def _generated(text: str) -> str:
    """New passwords for Pigsty's own users, shown to everybody who reads along."""
    for name in re.findall(r"(\w+_password):", text):
        password = secrets.token_urlsafe(18)
        print(f"    {name} : {password}")
        text = re.sub(rf"{name}: \S+", f"{name}: {password}", text)
    return text


def _arguments(words: list[str], *, modern: bool) -> argparse.Namespace | None:
    parser = argparse.ArgumentParser("configure", allow_abbrev=False, exit_on_error=False)
    parser.add_argument("-i", "--ip")
    parser.add_argument("-r", "--region")
    parser.add_argument("-n", "--non-interactive", action="store_true")
    parser.add_argument("-x", "--proxy", action="store_true")
    if modern:
        parser.add_argument("-c", "--conf", default="meta")
        parser.add_argument("-v", "--version", dest="pg_version")
        parser.add_argument("-o", "--output")
        parser.add_argument("-s", "--skip", action="store_true")
        parser.add_argument("-p", "--port")
        parser.add_argument("-g", "--generate", action="store_true")
    else:
        parser.add_argument("-m", "--mode", dest="conf", default="demo")
    try:
        given, rest = parser.parse_known_args(words)
    except argparse.ArgumentError as error:
        say("FAIL", str(error))
        return None
    if rest:
        say("FAIL", f"unknown option {rest[0]}")
        return None
    return given


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve().parent, sys.argv[3:], modern=sys.argv[2] == "modern"))
