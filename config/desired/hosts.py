"""The hosts file with one line of ours."""

import re


def with_entry(text: str, address: str, domain: str, marker: str) -> str:
    """`text` with exactly one line that carries `marker`; every other line as it was."""
    line = f"{address} {domain}  # {marker}\n"
    if [other for other in _lines(text) if _ours(other, marker)] == [line]:
        return text
    kept = without_entry(text, marker)
    return kept + ("\n" if kept and not kept.endswith("\n") else "") + line


def without_entry(text: str, marker: str) -> str:
    """`text` without our lines; every other line as it was."""
    return "".join(line for line in _lines(text) if not _ours(line, marker))


def _lines(text: str) -> list[str]:
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _ours(line: str, marker: str) -> bool:
    return line.rstrip("\r\n").endswith(f"  # {marker}")
