"""What is said of a container that is kept out of a server, and whether it is asked again."""

import errno
import socket
from typing import Any

import pytest

from config.load import load_environment, load_release
from tasks.core.site import Site
from tasks.steps.reach import trouble
from tasks.tools.reach import Trouble

ENVIRONMENT = load_environment("sandbox")
SITE = Site(ENVIRONMENT, load_release(ENVIRONMENT.dify.release), {})
SUBNET = ENVIRONMENT.dify.subnet
ADMIT = f"admit {ENVIRONMENT.postgres.user} from dify.subnet ({SUBNET}) in pg_hba.conf"
LET = f"let {SUBNET} through to 10.0.0.1:5432"


@pytest.mark.parametrize(
    ("server", "kind", "code", "passes", "advice"),
    [
        ("PostgreSQL", "sqlstate", "28000", False, ADMIT),
        ("PostgreSQL", "sqlstate", "57P03", True, LET),
        ("PostgreSQL", "sqlstate", None, False, LET),
        ("PostgreSQL", "sqlstate", "XYZZY", False, LET),
        ("PostgreSQL", "os", errno.ECONNREFUSED, True, LET),
        ("PostgreSQL", "os", None, False, LET),
        ("PostgreSQL", "name", socket.EAI_NONAME, False, "let containers find the name 10.0.0.1"),
        ("PostgreSQL", "name", socket.EAI_AGAIN, True, "let containers find the name 10.0.0.1"),
        ("Redis", "redis", "TimeoutError", True, LET),
        ("Redis", "redis", "BusyLoadingError", True, LET),
        ("Redis", "redis", "AuthenticationError", False, LET),
        ("Redis", "redis", "NoErrorOfThisVersion", False, LET),
        ("the object store", "os", errno.ECONNREFUSED, True, LET),
        ("the object store", "http", 502, True, "what stands before the store at 10.0.0.1:5432"),
        ("the object store", "http", 200, False, "mend storage.endpoint"),
        ("the object store", "http", None, False, "mend storage.endpoint"),
        ("the object store", "os", None, False, "authority that signed for it in storage.ca"),
    ],
)
def test_each_kind_has_its_advice_and_may_pass(
    server: Any, kind: Any, code: Any, *, passes: bool, advice: str
) -> None:
    found = Trouble(server, "10.0.0.1:5432", "172.30.0.2", "said so", kind, code)
    error = trouble(SITE, found)
    assert error.cause == f"{server} at 10.0.0.1:5432 does not let Dify's containers in: said so"
    assert (error.passes, advice in error.advice) == (passes, True)
    assert error.advice.endswith(", and run this again")
