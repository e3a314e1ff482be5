"""Commands to a Celery worker and questions to it, sent by a program in its own container."""

import json
import re
from collections.abc import Sequence
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
    print(json.dumps([queue["name"] for queue in asked("active_queues")]))
elif sys.argv[1] == "take":
    for queue in sys.argv[2:]:
        celery.control.add_consumer(queue, destination=[name], reply=True, timeout=10)
    print(json.dumps([queue["name"] for queue in asked("active_queues")]))
elif sys.argv[1] == "queues":
    print(json.dumps([queue["name"] for queue in asked("active_queues")]))
elif sys.argv[1] == "jobs":
    found = asked("active") + asked("reserved")
    print(json.dumps([[job["id"], job["name"], repr(job["args"])] for job in found]))
else:
    print(json.dumps(asked("ping")))
"""
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SHOWN = 3


def ping() -> list[str]:
    """Ends well if the worker answers."""
    return _words("ping")


def leave() -> list[str]:
    """It takes nothing more from any queue, and goes on with what it has; prints what is left."""
    return _words("leave")


def queues() -> list[str]:
    """Prints the queues it takes jobs from."""
    return _words("queues")


def take(names: Sequence[str]) -> list[str]:
    """It takes jobs from these queues too; prints all that it takes from."""
    return [*_words("take"), *names]


def jobs() -> list[str]:
    """Prints the jobs it works at, and those it has taken for later."""
    return _words("jobs")


def parse(text: str) -> list[Any]:
    """The answer, which is the last line."""
    return cast(list[Any], json.loads(text.strip().splitlines()[-1]))


def shown(job: Sequence[str]) -> str:
    """A job by its name, its id and what it is about: ids alone, since arguments may be secret."""
    identity, name, arguments = job
    about = dict.fromkeys(_ID.findall(arguments))
    return " ".join([name.rpartition(".")[2], identity, *list(about)[:_SHOWN]])


def _words(verb: str) -> list[str]:
    return ["python3", "-c", _PROGRAM, verb]
