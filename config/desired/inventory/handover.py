"""The entry of the portal by which another Dify serves the domain: set aside as a comment.

Its lines stay where they are and as they are, behind a mark that says which environment has the
domain meanwhile; so they can be put back, and removed in the end.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from config.desired.inventory.data import items, mapping
from config.desired.inventory.document import FILE, MAPPING, Document, key_of, read
from config.desired.inventory.edits import Edit, applied, lines_of
from config.errors import ConfigError

PORTAL = ("all", "vars", "infra_portal")


def entries_of(portal: dict[str, Any], domain: str, but: str) -> list[str]:
    """Names of the entries that serve the domain, except one."""
    return [
        name
        for name, entry in portal.items()
        if name != but
        and domain in [mapping(entry).get("domain"), *items(mapping(entry).get("domains"))]
    ]


def set_aside(text: str, domain: str, environment: str, own: str, file: str = FILE) -> str:
    """The text in which no entry but the environment's own, if any, serves the domain.

    Raises:
        ConfigError: an entry does not stand on lines of its own.
    """
    document = read(text, file)
    mark = _mark(environment)
    edits = [
        Edit(begin, end, "".join(mark + line for line in text[begin:end].splitlines(True)))
        for begin, end in _spans(document, entries_of(_portal(document), domain, own))
    ]
    return _checked(document, applied(text, edits), domain, own, file)


def put_back(
    text: str, domain: str, environment: str, own: str, file: str = FILE, *, by_file: bool = False
) -> str:
    """The text in which the entries that were set aside serve again, and not the environment's own.

    `by_file`: the domain is served by a file that no entry is rendered to.

    Raises:
        ConfigError: the environment's own does not stand on lines of its own.
    """
    mark = _mark(environment)
    back = "".join(line.removeprefix(mark) for line in text.splitlines(True))
    document = read(back, file)
    others = by_file or entries_of(_portal(document), domain, own)
    if not others or own not in _portal(document):
        return back
    edits = [Edit(begin, end, "") for begin, end in _spans(document, [own])]
    result = applied(back, edits)
    if own in _portal(read(result, file)):
        raise _inseparable(file, own)
    return result


def removed(text: str, environment: str) -> str:
    """The text without what was set aside."""
    mark = _mark(environment)
    return "".join(line for line in text.splitlines(True) if not line.startswith(mark))


def _mark(environment: str) -> str:
    return f"# set aside, {environment} has its domain: "


def _portal(document: Document) -> dict[str, Any]:
    found: Any = document.tree
    for name in PORTAL:
        found = mapping(found).get(name)
    return mapping(found)


def _spans(document: Document, names: Iterable[str]) -> list[tuple[int, int]]:
    node: Any = document.root
    for name in PORTAL:
        node = dict(_pairs(node)).get(name, (None, None))[1]
    pairs = dict(_pairs(node))
    return [lines_of(document, *pairs[name]) for name in names if name in pairs]


def _pairs(node: Any) -> Iterator[tuple[Any, tuple[Any, Any]]]:
    if node is not None and node.id == MAPPING:
        yield from ((key_of(key), (key, value)) for key, value in node.value)


def _checked(document: Document, result: str, domain: str, own: str, file: str) -> str:
    """The result, if of the portal it lacks exactly these entries."""
    portal = _portal(document)
    gone = entries_of(portal, domain, own)
    expected = {name: entry for name, entry in portal.items() if name not in gone}
    try:
        left = _portal(read(result, file))
    except ConfigError:
        left = None
    if left != expected:
        raise _inseparable(file, ", ".join(gone))
    return result


def _inseparable(file: str, names: str) -> ConfigError:
    return ConfigError(
        [
            f"{file}: {'.'.join(PORTAL)}: {names} cannot be told apart from what stands around; "
            "expected an entry on lines of its own, beside another one"
        ]
    )
