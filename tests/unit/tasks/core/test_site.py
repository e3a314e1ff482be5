"""A site says what was opened, and never anything else."""

import pytest
from pydantic import SecretStr

from config.load import load_environment, load_release
from config.secrets import generate
from tasks.core.site import Site


@pytest.fixture
def site() -> Site:
    environment = load_environment("sandbox")
    release = load_release(environment.dify.release)
    return Site(environment, release, generate(release, {}))


@pytest.mark.parametrize("name", ["environment", "release", "secrets", "node", "docker", "new"])
def test_a_site_does_not_change(site: Site, name: str) -> None:
    with pytest.raises(AttributeError, match=f"a site does not change: {name}"):
        setattr(site, name, None)


def test_nor_do_its_secrets(site: Site) -> None:
    known = dict(site.secrets)
    other = site.replace(secrets={**known, "secret_key": SecretStr("another")})
    assert site.secrets == known and other.secrets["secret_key"] == SecretStr("another")
    with pytest.raises(TypeError):
        site.secrets["secret_key"] = SecretStr("another")  # type: ignore[index]


def test_another_release_is_another_site(site: Site) -> None:
    older = load_release("0.6.11")
    other = site.replace(release=older)
    assert other.release is older
    assert (other.environment, other.secrets, other.node) == (
        site.environment, site.secrets, site.node,
    )  # fmt: skip
    assert site.release is not older


def test_the_first_node_shares_its_engine(site: Site) -> None:
    assert site.on_each()[0].docker is site.docker
    assert site.on_each()[0].name == site.name
