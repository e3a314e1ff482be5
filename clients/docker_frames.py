"""How an engine sends what a container writes."""

from struct import Struct

_HEAD = Struct(">4xL")


def unframed(stream: bytes) -> bytes:
    """What a container without a terminal wrote: each piece has a head that ends in its length."""
    pieces: list[bytes] = []
    at = 0
    while at < len(stream):
        begin = at + _HEAD.size
        (length,) = _HEAD.unpack_from(stream, at)
        at = begin + length
        pieces.append(stream[begin:at])
    return b"".join(pieces)
