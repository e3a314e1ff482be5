"""Which engines are tried together, and with which tests: the matrix as data."""

from dataclasses import dataclass

from tests.matrix.suite import FORKY, TRIXIE, Suite

CONTAINERD = '{"features": {"containerd-snapshotter": true}}'


@dataclass(frozen=True, slots=True)
class Cell:
    """A machine of one time. `suite` None: the programs of this machine.

    `postgres`: major version of the sandbox's, which the wheel brings or the suite.
    `redis`: redis or valkey. `daemon`: Docker Engine's configuration.
    """

    name: str
    suite: Suite | None
    postgres: int
    redis: str = "redis"
    daemon: str = "{}"


CELLS = (
    Cell("debian-12", None, 16),
    Cell("debian-13", TRIXIE, 17),
    Cell("debian-next", FORKY, 18),
    Cell("debian-next-containerd", FORKY, 18, "valkey", CONTAINERD),
)

# What depends on an engine. A subject's tests are what `make test` runs, and nothing else.
SUBJECTS = {
    "deploy": ("tests/e2e/test_sandbox.py", "tests/integration/test_stack_files.py",
               "tests/integration/test_agents.py"),
    "images and bundles": ("tests/integration/images",),
    "PostgreSQL": ("tests/integration/test_postgres.py",
                   "tests/integration/test_postgres_versions.py",
                   "tests/integration/test_revisions.py"),
    "Redis": ("tests/integration/test_redis.py", "tests/integration/test_sentinel.py"),
    "backup and restore": ("tests/integration/test_backup.py", "tests/integration/test_restore.py",
                           "tests/integration/test_restore_served.py",
                           "tests/integration/test_newer_engines.py"),
    "health": ("tests/integration/test_health.py", "tests/integration/test_verify.py"),
}  # fmt: skip


def subject_of(test: str) -> str:
    """Of a test's file, as pytest names it."""
    return next(name for name, files in SUBJECTS.items() if test.startswith(files))
