"""Documents as segments, keywords and vectors. Pure."""

import hashlib
import math
import re

DIMENSIONS = 64


def segments(text: str, separator: str, limit: int, overlap: int = 0) -> list[str]:
    """The parts between separators; a part of more than `limit` characters is cut."""
    step = max(1, limit - overlap)
    parts = (part.strip() for part in text.split(separator.replace("\\n", "\n") or "\n\n"))
    return [
        part[start : start + limit]
        for part in parts
        for start in range(0, max(1, len(part) - overlap), step)
        if part
    ]


def words(text: str) -> list[str]:
    return sorted(set(re.findall(r"\w{2,}", text.lower())))


def embedding(text: str) -> list[float]:
    """A unit vector, the same for the same words."""
    vector = [0.0] * DIMENSIONS
    for word in words(text) or [""]:
        vector[hashlib.sha256(word.encode()).digest()[0] % DIMENSIONS] += 1.0
    length = math.hypot(*vector)
    return [value / length for value in vector]
