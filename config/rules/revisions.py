"""Whether a release can serve a database: the revision of the one among those of the other."""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum

from config.release import Release

# Dify's own are twelve hexadecimal digits; a fork may name its revisions otherwise.
_ID = r"[\w-]+"
_LINE = re.compile(
    rf"^(?:<base>|{_ID}(?:, {_ID})*) -> (?P<revision>{_ID})(?P<marks>(?: \([^)]*\))*),",
    re.MULTILINE,
)


class Fit(StrEnum):
    """How a database's revision relates to a release.

    SAME: it is the release's newest. OLDER: the release migrates it up. BESIDE: the release serves
    it without knowing it, as the newer one says whose it is. NEWER: the release does not know it
    and cannot serve it. OPEN: only the release's image can say.
    """

    SAME = "same"
    OLDER = "older"
    BESIDE = "beside"
    NEWER = "newer"
    OPEN = "open"


def parse_history(text: str) -> tuple[str, ...]:
    """The revisions that `flask db history` lists, the head first; none if it lists no head."""
    found = list(_LINE.finditer(text))
    heads = [line["revision"] for line in found if "(head)" in line["marks"]]
    if len(heads) != 1:
        return ()
    return (*heads, *(line["revision"] for line in found if line["revision"] not in heads))


def fit(revision: str, release: Release, known: Sequence[str], heads: Mapping[str, str]) -> Fit:
    """How the revision relates to the release.

    `known`: the revisions of the release's image, its head first; empty if it was never asked.
    `heads`: release → newest revision of those that have a file, which has to do until it was.
    """
    if known:
        if revision == known[0]:
            return Fit.SAME
        return Fit.OLDER if revision in known else Fit.NEWER
    if revision == release.migration.head:
        return Fit.SAME
    made_by = [version for version, head in heads.items() if head == revision]
    if not made_by:
        return Fit.OPEN
    return Fit.NEWER if min(map(number, made_by)) > number(release.version) else Fit.OLDER


def number(version: str) -> tuple[int, ...]:
    """A version in a form that sorts by age."""
    return tuple(int(part) for part in re.findall(r"\d+", version))
