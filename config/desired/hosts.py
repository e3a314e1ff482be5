"""The hosts file with one line of ours."""


def with_entry(text: str, address: str, domain: str, marker: str) -> str:
    """`text` with exactly one line that carries `marker`; every other line as it was."""
    line = f"{address} {domain}  # {marker}"
    lines = text.splitlines()
    if line in lines and sum(_ours(other, marker) for other in lines) == 1:
        return text
    kept = [other for other in lines if not _ours(other, marker)]
    return "\n".join([*kept, line]) + "\n"


def without_entry(text: str, marker: str) -> str:
    kept = [line for line in text.splitlines() if not _ours(line, marker)]
    return "\n".join(kept) + "\n" if len(kept) != len(text.splitlines()) else text


def _ours(line: str, marker: str) -> bool:
    return line.endswith(f"  # {marker}")
