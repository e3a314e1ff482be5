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

# What depends on an engine; these are tests of `make test`.
SUBJECTS = {
    "deploy": ("tests/e2e/test_sandbox.py", "tests/integration/test_stack_files.py",
               "tests/integration/test_verify.py"),
    "agents and firewall": ("tests/integration/test_agents.py",
                            "tests/integration/test_code_reach.py"),
    "images, bundles, proxy": ("tests/integration/images",),
    "PostgreSQL": ("tests/integration/test_postgres.py",
                   "tests/integration/test_postgres_versions.py",
                   "tests/integration/test_revisions.py"),
    "Redis": ("tests/integration/test_redis.py", "tests/integration/test_sentinel.py"),
    "backup and restore": ("tests/integration/test_backup.py", "tests/integration/test_restore.py",
                           "tests/integration/test_newer_engines.py"),
    "health": ("tests/integration/test_health.py",),
}  # fmt: skip
# Of these, what is about kills, clocks, words and people: the same with every engine, and long.
OMITTED = ("killed", "paused", "clock", "bad_input", "flipped", "watching", "people", "excuses")

# Of these, what shows soonest that an engine does not fit: `make test` runs it on one cell a day.
DAILY = (
    "tests/integration/test_agents.py::test_agents_run_and_a_second_deploy_changes_nothing",
    "tests/integration/images/test_pull.py::test_the_next_registry_stands_in",
    "tests/integration/images/test_step.py",
    "tests/integration/images/test_bundle.py",
    "tests/integration/test_postgres.py::test_a_second_deploy_changes_and_touches_nothing",
    "tests/integration/test_postgres.py::test_dify_s_role_uses_vectors_with_an_hnsw_index",
    "tests/integration/test_redis.py::test_a_second_deploy_changes_and_touches_nothing",
    "tests/integration/test_redis.py::test_it_forgets_nothing_and_keeps_to_its_memory",
    "tests/integration/test_backup.py::test_a_point_holds_everything_and_all_of_it_comes_back",
)


def subject_of(test: str) -> str:
    """Of a test's file, as pytest names it."""
    return next(name for name, files in SUBJECTS.items() if test.startswith(files))
