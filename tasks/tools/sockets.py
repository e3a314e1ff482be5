"""Connections to a program, as the kernel lists them in its container."""

WORDS = ("cat", "/proc/net/tcp", "/proc/net/tcp6")
_ESTABLISHED = "01"
_LOCAL, _PEER, _STATE = 1, 2, 3


def established(text: str, port: int) -> list[str]:
    """The other ends of the open connections to this port, in the kernel's hexadecimal."""
    rows = (line.split() for line in text.splitlines())
    return [
        row[_PEER]
        for row in rows
        if len(row) > _STATE
        and row[_LOCAL].endswith(f":{port:04X}")
        and row[_STATE] == _ESTABLISHED
    ]
