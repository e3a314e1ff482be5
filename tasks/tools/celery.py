"""Commands to a Celery worker and questions to it, sent by a program in its own container."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

# Dify has a light application for this; releases before it have their whole one.
_PROGRAM = """
import json, socket, sys
try:
    from celery_healthcheck import celery
except ImportError:
    from app import celery
name = "celery@" + socket.gethostname()
inspect = celery.control.inspect(destination=[name], timeout=10)
def asked(question):
    answer = getattr(inspect, question)()
    if answer is None:
        sys.exit(f"{name} does not answer")
    return answer[name]
if sys.argv[1] == "leave":
    for queue in asked("active_queues"):
        celery.control.cancel_consumer(queue["name"], destination=[name], reply=True, timeout=10)
    found = asked("active") + asked("reserved")
    print(json.dumps([[job["id"], job["name"], job["args"], job["kwargs"]] for job in found]))
else:
    for queue in sys.argv[2:]:
        celery.control.add_consumer(queue, destination=[name], reply=True, timeout=10)
    print(json.dumps([queue["name"] for queue in asked("active_queues")]))
"""
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SHOWN = 3
# What people find again in Dify, as its tasks call it.
_ABOUT = ("workflow_run_id", "document_ids", "document_id")


def leave() -> list[str]:
    """It takes nothing more from any queue, and goes on with what it has; prints those jobs.

    They are the jobs it works at, and those it has taken for later.
    """
    return _words("leave")


def queues() -> list[str]:
    """Prints the queues it takes jobs from; ends badly if it does not answer."""
    return _words("take")


def take(names: Sequence[str]) -> list[str]:
    """It takes jobs from these queues too; prints all that it takes from."""
    return [*_words("take"), *names]


def parse(text: str) -> list[Any]:
    """The answer, which is the last line."""
    return cast(list[Any], json.loads(text.strip().splitlines()[-1]))


def shown(job: Sequence[Any]) -> str:
    """A job by its name, its id and what it is about: ids alone, since arguments may be secret.

    That is the run or the documents its arguments name; where they name none, the ids in them.
    """
    identity, name, *arguments = job
    fields = list(_fields(arguments))
    named = [f"{key} {one}" for key in _ABOUT for one in _ids(v for k, v in fields if k == key)]
    about = named or _ids([arguments])
    more = [f"and {len(about) - _SHOWN} more"] if len(about) > _SHOWN else []
    return " ".join([name.rpartition(".")[2], identity, *about[:_SHOWN], *more])


def _ids(values: Iterable[Any]) -> list[str]:
    return list(dict.fromkeys(_ID.findall(repr(list(values)))))


def _fields(value: Any) -> Iterator[tuple[str, Any]]:
    """Every name in it with its value, however deep; Dify hands some arguments on as JSON."""
    if isinstance(value, str) and value.startswith("{"):
        with suppress(ValueError):
            value = json.loads(value)
    if isinstance(value, Mapping):
        for key, inner in cast(Mapping[str, Any], value).items():
            yield key, inner
            yield from _fields(inner)
    elif isinstance(value, list):
        for inner in cast(list[Any], value):
            yield from _fields(inner)


def _words(verb: str) -> list[str]:
    return ["python3", "-c", _PROGRAM, verb]
