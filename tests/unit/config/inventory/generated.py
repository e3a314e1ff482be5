"""Inventories as nobody would write them: any shape, any style, read by PyYAML as Ansible does."""

import json
import re
from random import Random
from typing import Any

TEXTS = [
    "plain", "two words", "with: colon", "a # b", "it's", 'say "x"', "${admin_ip} x", "*.pigsty",
    "- dash", "{ brace", "[ bracket", "yes", "off", "0755", "12:30:45", "1e3", "~", "", "Grüße",
    "x" * 200, "10.0.0.0/8", "a,b", "%percent", "@at", "`tick`", "&and", "!bang", "trailing ",
]  # fmt: skip
COMMENTS = ["", "", "", " # note", "   # with: { all } - [kinds]", " #'\"", " # a\ttab"]
ALONE = ["# alone", "#- { name: old }", "# tab\there", "#", ""]
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*")
WORDS = re.compile(r"y|n|yes|no|on|off|true|false|null", re.IGNORECASE)


def inventory(rng: Random, groups: dict[str, Any], variables: dict[str, Any]) -> str:
    """A file with these groups and variables among others."""
    children = [(f"other-{n}", _group(rng)) for n in range(rng.randrange(4))] + [*groups.items()]
    pairs = [(f"key_{n}", _value(rng, 3)) for n in range(rng.randrange(5))] + [*variables.items()]
    rng.shuffle(children)
    rng.shuffle(pairs)
    parts = [("children", dict(children)), ("vars", dict(pairs))]
    rng.shuffle(parts)
    writer = _Writer(rng)
    head = rng.choice(["", "", "---\n", "# head\n\n---\n"])
    body = "\n".join(writer.block({"all": dict(parts)}, 0))
    end = rng.choice(["", "\n", "\n\n\n", "\n# the end\n", "\n...\n"])
    text = head + body + end
    return text if rng.random() < 0.9 else text.replace("\n", "\r\n")


def _group(rng: Random) -> dict[str, Any] | None:
    if rng.random() < 0.1:
        return None
    host = f"10.{rng.randrange(9)}.0.{rng.randrange(9)}"
    return {"hosts": {host: _value(rng, 1, mapping=True)}, "vars": _value(rng, 3, mapping=True)}


def _value(rng: Random, depth: int, *, mapping: bool = False) -> Any:
    kind = "mapping" if mapping else rng.choice(["text", "number", "bool", "list", "mapping"])
    size = rng.randrange(4)
    if kind == "mapping" and (depth or mapping):
        return {f"k{n}": _value(rng, max(depth - 1, 0)) for n in range(size)}
    if kind == "list" and depth:
        return [_value(rng, depth - 1) for _ in range(size)]
    if kind == "number":
        return rng.randrange(10_000)
    return rng.random() < 0.5 if kind == "bool" else rng.choice(TEXTS)


class _Writer:
    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.anchors: list[tuple[str, Any]] = []

    def block(self, value: dict[str, Any], indent: int) -> list[str]:
        lines: list[str] = []
        step = self.rng.choice([1, 2, 2, 2, 4])
        for key, item in value.items():
            if self.rng.random() < 0.15:
                lines.append(" " * self.rng.randrange(indent + 1) + self._alone())
            lines += self._pair(key, item, indent, step)
        return lines

    def _pair(self, key: str, value: Any, indent: int, step: int) -> list[str]:
        gap = " " * self.rng.choice([0, 0, 0, 3])
        head = f"{' ' * indent}{self._key(key)}{gap}:"
        if isinstance(value, dict) and value and self.rng.random() < 0.7:
            return [head + self._comment(), *self.block(value, indent + step)]
        if isinstance(value, list) and value and self.rng.random() < 0.6:
            dash = indent + self.rng.choice([0, step])
            items = [line for item in value for line in self._item(item, dash)]
            return [head + self._comment(), *items]
        if value is None and self.rng.random() < 0.5:
            return [head + self._comment()]
        if isinstance(value, str) and "\n" not in value and self.rng.random() < 0.1 and value:
            return (
                [f"{head} |-", f"{' ' * (indent + step)}{value}"]
                if value == value.strip()
                else [f"{head} {self.flow(value)}"]
            )
        return [f"{head} {self._anchored(value)}{self._comment()}"]

    def _item(self, value: Any, indent: int) -> list[str]:
        if isinstance(value, dict) and value and self.rng.random() < 0.4:
            width = self.rng.choice([2, 2, 4])
            lines = [line for k, v in value.items() for line in self._pair(k, v, indent + width, 2)]
            lines[0] = f"{' ' * indent}-{' ' * (width - 1)}{lines[0].lstrip()}"
            return lines
        return [f"{' ' * indent}- {self.flow(value)}{self._comment()}"]

    def flow(self, value: Any) -> str:
        rng = self.rng
        comma = rng.choice([", ", " ,", ","]) if not isinstance(value, list) else ", "
        pad = rng.choice(["", " "])
        if isinstance(value, dict):
            pairs = [f"{self._key(k)}: {self.flow(v)}" for k, v in value.items()]
            last = rng.choice(["", ","]) if pairs else ""
            return "{" + pad + comma.join(pairs) + last + pad + "}"
        if isinstance(value, list):
            return "[" + pad + comma.join(map(self.flow, value)) + pad + "]"
        return self._scalar(value)

    def _anchored(self, value: Any) -> str:
        """Now and then a value with a name, or one that has a name already by that."""
        rng = self.rng
        known = [
            name for name, other in self.anchors if other == value and type(other) is type(value)
        ]
        if known and rng.random() < 0.5 and not isinstance(value, dict | list):
            return f"*{known[0]}"
        if isinstance(value, str | int) and rng.random() < 0.1:
            self.anchors.append((f"a{len(self.anchors)}", value))
            return f"&{self.anchors[-1][0]} {self.flow(value)}"
        return self.flow(value)

    def _scalar(self, value: Any) -> str:
        rng = self.rng
        if value is None:
            return rng.choice(["null", "~"])
        if isinstance(value, bool):
            return rng.choice(["true", "yes"] if value else ["false", "no"])
        if isinstance(value, int):
            return str(value)
        if PLAIN.fullmatch(value) and not WORDS.fullmatch(value) and rng.random() < 0.6:
            return value
        if rng.random() < 0.5:
            return "'" + value.replace("'", "''") + "'"
        return json.dumps(value, ensure_ascii=False)

    def _key(self, key: Any) -> str:
        return str(key) if self.rng.random() < 0.9 or isinstance(key, int) else f'"{key}"'

    def _comment(self) -> str:
        return self.rng.choice(COMMENTS)

    def _alone(self) -> str:
        return self.rng.choice(ALONE)
