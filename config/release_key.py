"""The key dify.release of an environment's file, changed with every comment kept."""

import re
import tomllib
from typing import Any

_TABLE = re.compile(r"^[ \t]*\[(?P<name>[^\[\]]+)\][ \t]*(?:#.*)?$", re.MULTILINE)
_KEY = re.compile(r"""^(?P<key>[ \t]*release[ \t]*=[ \t]*)("[^"\n]*"|'[^'\n]*')""", re.MULTILINE)


def with_release(text: str, version: str) -> str | None:
    """The file with that release; None where it cannot be written by changing one line.

    A file that does not name the key gets it as the first one of [dify].
    """
    made = _made(text, f'"{version}"')
    wanted: dict[str, Any] = tomllib.loads(text)
    wanted["dify"] = {**wanted.get("dify", {}), "release": version}
    try:
        return made if tomllib.loads(made) == wanted else None
    except tomllib.TOMLDecodeError:
        return None


def _made(text: str, value: str) -> str:
    tables = list(_TABLE.finditer(text))
    for number, table in enumerate(tables):
        if table["name"].strip() == "dify":
            end = tables[number + 1].start() if number + 1 < len(tables) else len(text)
            start, section = table.end(), text[table.end() : end]
            changed, count = _KEY.subn(lambda found: found["key"] + value, section, count=1)
            if not count:
                changed = f"\nrelease = {value}{section}"
            return text[:start] + changed + text[end:]
    return f"{text.rstrip()}\n\n[dify]\nrelease = {value}\n"
