"""The whole flow, plan and deploy, where it must not begin: one error, and pigsty.yml as it was.

Each is tried with Pigsty's tree on this machine and on one that is reached over SSH.
"""

import json
import subprocess
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from cli import runs
from clients.redis import RedisServer
from config.errors import RolloutError, StepError
from config.rules.finding import Status
from flows.deploy import deploy
from tasks.core.first_use import require_unused
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.platforms.pigsty.domain import FreeDomain
from tasks.platforms.pigsty.members import primary
from tasks.platforms.pigsty.portal import entry_steps
from tasks.platforms.pigsty.preflight import readings
from tasks.steps.rollout import carry_out
from tests.conftest import PigstyDouble
from tests.integration.pigsty.conftest import login
from tests.integration.sshd import SshServer
from tests.pigsty.double.settings import variables
from tests.ports import free_ports

NOBODY = "192.0.2.1"


@pytest.fixture(scope="module")
def admin(double: PigstyDouble, os_users: Mapping[str, str]) -> Generator[SshServer]:
    with login(double, os_users) as server:
        yield server


@pytest.fixture
def where(
    request: pytest.FixtureRequest,
    prefect: None,
    double: PigstyDouble,
    admin: SshServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """Selects an environment on the double; its admin node is this machine, or over SSH."""
    chosen = {
        "ROLLOUT__NODES__ADMIN": request.param,
        "ROLLOUT__NODES__DIFY": json.dumps([request.param]),
        "ROLLOUT__NODES__SSH_CONFIG": admin.config,
    }
    for name, value in {**variables(double, tmp_path), **chosen}.items():
        monkeypatch.setenv(name, value)
    return request.param


def deployed() -> str:
    """Why the deploy flow failed."""
    state = deploy(environment="staging", return_state=True)
    found = state.result(raise_on_failure=False)
    assert isinstance(found, RolloutError), found
    assert state.message == str(found)
    return str(found)


def planned() -> Generator[str]:
    """Why no plan is to be had."""
    with pytest.raises(RolloutError) as refused:
        runs.plan("staging", only=["configure"])
    yield str(refused.value)


@dataclass(frozen=True)
class Case:
    """Settings, what is done to the world before and undone after, and a part of the sentence."""

    said: str
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    spoilt: Callable[[PigstyDouble], Any] = nullcontext
    planned: bool = True  # whether a plan tells already


@contextmanager
def replaced(double: PigstyDouble, old: str, new: str) -> Generator[None]:
    path = double.tree / "pigsty.yml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    try:
        yield
    finally:
        path.write_text(text)


def text(old: str, new: str) -> Callable[[PigstyDouble], Any]:
    return lambda double: replaced(double, old, new)


def below(line: str, added: str) -> Callable[[PigstyDouble], Any]:
    """Another line after that one."""
    return text(f"{line}\n", f"{line}\n{added}\n")


@contextmanager
def without_sudo(double: PigstyDouble) -> Generator[None]:
    double.take_sudo()
    try:
        yield
    finally:
        double.give_sudo()


def redis_of_others(port: int = 6379) -> Callable[[PigstyDouble], Any]:
    """A cluster of the name with a password of its own."""

    def change(double: PigstyDouble) -> Any:
        host = f"{double.addresses[0]}: {{ redis_node: 1, redis_instances: {{ {port}: {{}} }} }}"
        group = (f"    redis-dify: {{ hosts: {{ {host} }}, "
                 "vars: { redis_cluster: redis-dify, redis_password: Not.Ours.1 } }\n")  # fmt: skip
        return replaced(double, "  vars:\n    version", f"{group}  vars:\n    version")

    return change


CASES = {
    "a tab": Case("a tab indents the line", spoilt=text("  vars:\n", "\tvars:\n")),
    "no inventory": Case("all: missing", spoilt=text("all:\n", "nothing:\n")),
    "a key twice": Case(
        "expected every key once", spoilt=text("    region:", "    admin_ip: 10.0.0.1\n    region:")
    ),
    "a sender Pigsty does not know": Case(
        "'db.example' is no sender Pigsty knows",
        spoilt=below(
            "        pg_cluster: pg-meta",
            "        pg_hba_rules: [ { user: all, addr: db.example } ]",
        ),
    ),
    "no such cluster": Case(
        "no cluster 'pg-none'; expected pigsty.pg_nodes to make it on",
        {"ROLLOUT__PIGSTY__PG_CLUSTER": "pg-none"},
    ),
    "another admin node": Case(
        "is not pigsty.admin_ip; expected '192.0.2.1'", {"ROLLOUT__PIGSTY__ADMIN_IP": NOBODY}
    ),
    "another PostgreSQL": Case(
        "the version of a cluster is never changed in place", {"ROLLOUT__PIGSTY__PG_VERSION": "15"}
    ),
    "a superuser": Case(
        "Dify needs no superuser",
        spoilt=below("        pg_users:", "          - { name: dbuser_dify, superuser: true }"),
    ),
    "somebody's database": Case(
        "'dbuser_meta' instead of 'dbuser_dify'",
        spoilt=below("        pg_databases:", "          - { name: dify, owner: dbuser_meta }"),
    ),
    "a database made anew each time": Case(
        "'recreate' would drop the database",
        spoilt=below("        pg_databases:", "          - { name: dify, state: recreate }"),
    ),
    "somebody's Redis": Case("is not the secret redis_password", spoilt=redis_of_others()),
    "somebody's entry": Case(
        "'wiki.pigsty' is another site",
        spoilt=below(
            "    infra_portal:", "      dify: { domain: wiki.pigsty, endpoint: '10.0.0.1:80' }"
        ),
    ),
    "a portal on other ports": Case(
        "and portal.https_port is 8444", {"ROLLOUT__PORTAL__HTTPS_PORT": "8444"}
    ),
    "a machine that is not there": Case(
        "machine 192.0.2.1: ssh does not answer",
        {"ROLLOUT__PIGSTY__REDIS_NODES": f'["{NOBODY}"]', "ROLLOUT__REDIS__HOST": NOBODY},
        planned=False,
    ),
    "no root on the machine": Case(
        "Missing sudo password", spoilt=without_sudo, planned=False
    ),
    "no tree where one should be": Case(
        "is there and is no tree of Pigsty", {"ROLLOUT__PIGSTY__HOME": "/etc"}, planned=False
    ),
}  # fmt: skip


OVER_SSH = ("a tab", "no such cluster", "somebody's Redis", "a machine that is not there",
            "no root on the machine")  # fmt: skip
TRIED = [("local", name) for name in CASES] + [("node", name) for name in OVER_SSH]


@pytest.mark.parametrize(
    ("where", "case"),
    [(where, CASES[name]) for where, name in TRIED],
    ids=[f"{where}: {name}" for where, name in TRIED],
    indirect=["where"],
)
def test_one_sentence_says_why_and_nothing_was_touched(
    case: Case, where: str, double: PigstyDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in case.settings.items():
        monkeypatch.setenv(name, value)
    path = double.tree / "pigsty.yml"

    def seen() -> Any:
        return path.read_bytes(), path.stat(), sorted(double.tree.iterdir()), double.journal()

    with case.spoilt(double):
        before = seen()
        for why in [*(planned() if case.planned else []), deployed()]:
            assert case.said in why
            assert len([line for line in why.splitlines() if "do: " not in line]) == 1, why
            assert seen() == before


def first_use(site: Site) -> str:
    """Why a first deploy would not begin."""
    with pytest.raises(StepError) as refused:
        require_unused(site)
    assert f"rollout adopt {site.name}" in refused.value.advice
    return refused.value.cause


def test_a_file_of_somebody_for_the_domain_is_named(double: PigstyDouble) -> None:
    site = double.site(portal={"domain": "crm.pigsty"})
    require_unused(site)
    path = double.path("/etc/nginx/conf.d/by-hand.conf")
    path.write_text("server {\n  server_name wiki.pigsty crm.pigsty;\n}\n")
    try:
        said = "portal.domain: crm.pigsty is served by by-hand.conf of the portal"
        assert said in first_use(site)
        require_unused(double.site(portal={"domain": "m.pigsty"}))
    finally:
        path.unlink()


FILE_OF_SOMEBODY = "server {{ listen 1; {} }}\n"


@contextmanager
def file_in_nginx(double: PigstyDouble, name: str, line: str) -> Generator[Path]:
    path = double.path(f"/etc/nginx/conf.d/{name}")
    path.write_text(FILE_OF_SOMEBODY.format(line))
    try:
        yield path
    finally:
        path.unlink()


def domain_refused(site: Site) -> list[tuple[str, str]]:
    found = [each for each in readings(site) if each.probe == "portal.domain"]
    return [(each.said, each.advice) for each in found]


def test_a_domain_that_a_file_of_somebody_serves_is_refused_at_any_deploy(
    double: PigstyDouble,
) -> None:
    """Also once the environment has been used, as after a way back from an adoption."""
    site = double.site(portal={"domain": "crm.pigsty"})
    said = f"crm.pigsty is served by by-hand.conf of the portal, which {site.name} has not written"
    with file_in_nginx(double, "by-hand.conf", "server_name crm.pigsty;") as path:
        [(why, do)] = domain_refused(site)
        assert why == said
        assert f"set portal.domain in config/environments/{site.name}.toml to another" in do
        assert do.endswith(f"rollout adopt {site.name}")
        assert [each.why for each in carry_out(site, "portal", dry_run=True).blocked] == [said]
        before = path.read_bytes(), double.journal()
        [step] = [each for each in entry_steps(site) if isinstance(each, FreeDomain)]
        with pytest.raises(StepError, match=r"by-hand\.conf"):
            converge(step)
        assert (path.read_bytes(), double.journal()) == before
        adopting = Site(
            site.environment, site.release, site.secrets, site.node, adopting=True
        )  # it asks itself whose the file is
        assert domain_refused(adopting) == []


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("by-hand.conf", "server_name wiki.pigsty;"),
        ("by-hand.conf", "server_name _;"),
        ("by-hand.conf", "server_name not-crm.pigsty crm.pigsty.org;"),
        ("by-hand.conf.bak", "server_name crm.pigsty;"),
        ("dify.conf", "server_name crm.pigsty;"),
    ],
    ids=["another domain", "default server", "longer names", "not read", "its own"],
)
def test_other_files_of_the_portal_are_in_no_way(
    double: PigstyDouble, name: str, line: str
) -> None:
    site = double.site(portal={"domain": "crm.pigsty"}, dify={"project": "dify"})
    with file_in_nginx(double, name, line):
        assert domain_refused(site) == []


def test_a_role_that_other_databases_belong_to_is_named(double: PigstyDouble) -> None:
    site = double.site(postgres={"user": "crm"})
    require_unused(site)
    there = primary(site)
    there.ask("CREATE ROLE crm LOGIN PASSWORD 'crm-password'")
    there.ask("CREATE DATABASE crm OWNER crm")
    try:
        assert "postgres.user: crm is the role of crm" in first_use(site)
    finally:
        there.ask("DROP DATABASE crm")
        there.ask("DROP ROLE crm")


def test_a_redis_of_somebody_where_ours_would_be_is_named(double: PigstyDouble) -> None:
    address, [port] = double.addresses[0], free_ports(1)
    site = double.site(redis={"port": port})
    assert not [each for each in readings(site) if each.probe == "redis.port"]
    words = ["redis-server", "--bind", address, "--port", str(port), "--save", ""]
    program = subprocess.Popen([*words, "--requirepass", "difyai123456"], stdout=subprocess.DEVNULL)
    other_redis = RedisServer(address, port, SecretStr("difyai123456"))
    try:
        with other_redis.client(within_s=10) as client:
            client.lpush("dataset", "a job")
            [found] = [each for each in readings(site) if each.probe == "redis.port"]
            assert f"{address}:{port} is taken, and pigsty.yml has no cluster" in found.said
            assert found.status is Status.FAIL and "rollout adopt prod" in found.advice
            assert client.llen("dataset") == 1
    finally:
        program.terminate()
        program.wait()
