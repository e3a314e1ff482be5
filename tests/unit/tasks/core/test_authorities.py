"""The certificate of an authority that the environment names is read once in a run."""

from pathlib import Path

import pytest

from clients.node import LocalNode
from config.errors import StepError
from config.load import load_environment, load_release
from config.secrets import generate
from tasks.core.authorities import postgres_authority
from tasks.core.site import Site
from tasks.steps.pgsql import dify_database

FIRST, SECOND = (f"-----BEGIN CERTIFICATE-----\n{text}\n" for text in ("MA==", "MQ=="))


class Counting(LocalNode):
    """This machine, as one that knows how often it was asked for a file."""

    asked: list[Path]

    def read(self, path: Path) -> bytes | None:
        self.asked.append(path)
        return super().read(path)


def trusting(path: Path) -> Site:
    environment = load_environment("sandbox")
    postgres = environment.postgres.model_copy(update={"sslmode": "verify-full", "ca": str(path)})
    release = load_release(environment.dify.release)
    named = environment.model_copy(update={"postgres": postgres})
    return Site(named, release, generate(release, {}))


def counting(site: Site) -> Counting:
    node = Counting()
    node.asked = []
    vars(site)["admin"] = node
    return node


def test_every_login_of_a_run_knows_it_and_the_admin_node_is_asked_once(tmp_path: Path) -> None:
    path = tmp_path / "ca.crt"
    path.write_text(FIRST)
    site = trusting(path)
    admin = counting(site)
    for each in (site, site, *site.on_each(), site.replace(secrets=site.secrets)):
        assert dify_database(each).ca == FIRST
    assert admin.asked == [path]
    path.write_text(SECOND)
    assert postgres_authority(site) == FIRST
    assert postgres_authority(trusting(path)) == SECOND


def test_one_that_is_missing_is_asked_for_again(tmp_path: Path) -> None:
    """What a step of the run makes is there for the next one."""
    path = tmp_path / "ca.crt"
    site = trusting(path)
    with pytest.raises(StepError) as refused:
        postgres_authority(site)
    assert refused.value.cause == f"postgres.ca: {path} on local is no certificate"
    assert refused.value.advice == "name the PEM file of the authority that signs for postgres.host"
    path.write_text(FIRST)
    assert postgres_authority(site) == FIRST
