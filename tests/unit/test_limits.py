"""How long something may take depends on the machine and the data: no limit of ours is fixed."""

import ast
from collections.abc import Iterator

import pytest

from clients.command import Command
from config.load import ROOT

FLOORS = ("clients", "blocks", "tasks", "flows", "cli")
SHORT_S = 15
# No limit, or one that neither the machine nor the data decides.
FIXED = {
    ("tasks/tools/patroni.py", "DCS_SILENT_S"): "how Patroni tells an outage from a loop",
    (
        "tasks/core/packages.py",
        "INSTALL_S",
    ): "how long apt waits for its lock, before its own limit",
    ("cli/runs.py", "ANSWER_S"): "the record waits that long, no work does",
    ("clients/waiting.py", "SAY_EVERY_S"): "how often a wait is logged",
    ("clients/script.py", "SILENT_S"): "how a node tells that the way to it is lost",
    ("clients/script.py", "LOCK_SILENT_S"): "the same, of the lock it keeps",
    ("tasks/points/silence.py", "ASK_EVERY_S"): "how often a silent store is asked for life",
    ("tasks/tools/rclone.py", "SILENT_S"): "rclone's own, of one connection, which it makes anew",
    ("tasks/steps/kept.py", "KEPT_S"): "how long pages that people have open get their files",
    ("clients/ssh.py", "IDLE_S"): "how long an unused connection stays",
    ("tasks/points/folders.py", "DAY_S"): "a length of time in a computation",
    ("tasks/probes/health/backups.py", "_DAY_S"): "a length of time in a computation",
    ("tasks/probes/health/backups.py", "_HOUR_S"): "a length of time in a computation",
    ("tasks/probes/health/containers.py", "_FIRST_S"): "how far back the first look goes",
}
# What a command or a wait takes times the patience of its environment.
PATIENT = {"timeout_s", "within_s", "settle_s"}
WAITS = {"wait", "stream", "join"}


MODULES = {
    str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8"))
    for floor in FLOORS
    for path in sorted((ROOT / floor).rglob("*.py"))
}


def literal(value: ast.AST) -> bool:
    return (
        isinstance(value, ast.Constant)
        and isinstance(value.value, int | float)
        and value.value > SHORT_S
    )


def imported(module: ast.Module) -> set[str]:
    found = (node for node in module.body if isinstance(node, ast.ImportFrom))
    return {alias.name for node in found for alias in node.names}


def constants() -> Iterator[tuple[str, str]]:
    for name, module in MODULES.items():
        for node in module.body:
            if isinstance(node, ast.Assign):
                yield from ((name, target) for target in limits(node.targets[0], node.value))


def limits(target: ast.AST, value: ast.AST) -> Iterator[str]:
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for each in zip(target.elts, value.elts, strict=True):
            yield from limits(*each)
    elif isinstance(target, ast.Name) and target.id.endswith("_S") and literal(value):
        yield target.id


def stretched(name: str, module: ast.Module) -> set[ast.AST]:
    """Uses of the constant that patience is applied to."""
    found: set[ast.AST] = set()
    for node in ast.walk(module):
        places: list[ast.AST] = []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            places = node.args if node.func.attr == "within" else []
        elif isinstance(node, ast.keyword) and node.arg in PATIENT:
            places = [node.value]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            places = [node.value] if node.target.id in PATIENT else []
        elif isinstance(node, ast.arguments):
            named = [*zip(reversed(node.args), reversed(node.defaults), strict=False),
                     *zip(node.kwonlyargs, node.kw_defaults, strict=True)]  # fmt: skip
            places = [value for arg, value in named if value and arg.arg in PATIENT]
        elif isinstance(node, ast.BinOp) and "patience" in ast.dump(node.right):
            places = [node.left]
        found |= {use for place in places for use in ast.walk(place)}
    return {use for use in found if isinstance(use, ast.Name) and use.id == name}


@pytest.mark.parametrize("place", sorted(constants()), ids=" ".join)
def test_a_limit_is_stretched_by_patience_or_listed_as_none(place: tuple[str, str]) -> None:
    if place in FIXED:
        return
    name = place[1]
    module = MODULES[place[0]]
    uses = {
        node
        for node in ast.walk(module)
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)
    }
    assert uses == stretched(name, module), f"{place}: use site.within({name}), or list it"


def fixed_waits(module: ast.Module) -> Iterator[int]:
    """Lines where something waits for a number of seconds that nothing stretches."""
    for node in ast.walk(module):
        if isinstance(node, ast.keyword) and node.arg == "timeout" and literal(node.value):
            yield node.value.lineno
        waits = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if waits and node.func.attr in WAITS and any(literal(each) for each in node.args):
            yield node.lineno


@pytest.mark.parametrize("name", sorted(MODULES))
def test_no_wait_has_a_number_of_its_own(name: str) -> None:
    assert list(fixed_waits(MODULES[name])) == []


@pytest.mark.parametrize(
    "name", sorted(name for name, module in MODULES.items() if "ask_all" in imported(module))
)
def test_every_round_of_probes_is_stretched(name: str) -> None:
    rounds = [
        node
        for node in ast.walk(MODULES[name])
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "ask_all"
    ]
    given = [{k.arg: k.value for k in node.keywords}.get("patience") for node in rounds]
    assert rounds
    assert all(value and not isinstance(value, ast.Constant) for value in given)


def test_every_entry_of_the_list_is_there() -> None:
    assert set(FIXED) <= set(constants())


def test_a_limit_that_a_key_gives_is_the_keys_own() -> None:
    built_in, given = Command(("x",), timeout_s=60), Command(("x",), timeout_s=60, limited_by="a.b")
    assert (built_in.within_s(3), given.within_s(3)) == (180, 60)
    assert built_in.too_long(180) == "no end within 180 s; nodes.patience raises this limit"
    assert given.too_long(60) == "no end within 60 s; a.b raises this limit"
