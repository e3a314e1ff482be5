"""One connection an environment names, and asking many of them side by side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from config.errors import RolloutError
from tasks.core.side_by_side import answers

AT_ONCE = 8


class State(StrEnum):
    """`LATER`: there is nothing to ask before something else was done, like a first deploy."""

    OK = "ok"
    LATER = "later"
    FAILED = "failed"


class NotYet(RolloutError):
    """There is nothing to ask before what the message says was done."""


@dataclass(frozen=True, slots=True)
class Connection:
    """`key` names it in the environment's file, `where` is what stands there.

    `ask` really connects: it returns what answered, or raises a RolloutError or NotYet.
    """

    kind: str
    key: str
    where: str
    ask: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of asking one: a sentence."""

    kind: str
    key: str
    where: str
    state: State
    said: str


def ask_all(connections: Sequence[Connection]) -> list[Answer]:
    """An answer from each, in order; how long it takes is up to the slowest."""
    return answers(_ask, connections, AT_ONCE)


def _ask(connection: Connection) -> Answer:
    def answer(state: State, said: str) -> Answer:
        return Answer(connection.kind, connection.key, connection.where, state, said)

    try:
        return answer(State.OK, connection.ask())
    except NotYet as error:
        return answer(State.LATER, _sentence(error))
    except RolloutError as error:
        return answer(State.FAILED, _sentence(error))


def _sentence(error: RolloutError) -> str:
    """What it says in one line, with what to do after a semicolon."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines).replace(" do: ", "; ")
