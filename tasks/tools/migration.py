"""What a migration of Dify writes when it fails: which error of PostgreSQL ended it."""

import re

# The driver's classes of SQLSTATE 55P03 and 40P01. SQLAlchemy and a traceback name the class; what
# the server says beside it depends on the server's language.
LOCKED = ("LockNotAvailable", "DeadlockDetected")
_ERROR = re.compile(r"\bpsycopg2?\.errors\.(\w+)")


def met_a_lock(output: str) -> bool:
    """Whether the last error that the output names is a lock that somebody else held."""
    return _ERROR.findall(output)[-1:] in [[name] for name in LOCKED]
