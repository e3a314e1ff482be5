"""Which PostgreSQL the sandbox runs: its data's, or the newest that the release takes."""

import pytest

from tasks.core.step import Change, converge
from tasks.platforms.sandbox.postgres_layout import MAJORS, layout
from tasks.steps.table import PARTS
from tests.integration.conftest import MakeSite


@pytest.mark.skipif(len(MAJORS) == 1, reason="one version is chosen for this run")
def test_data_keep_their_version_when_the_release_takes_a_newer_one(sandbox_site: MakeSite) -> None:
    """A sandbox that was made with 1.15 goes on with its PostgreSQL after an upgrade."""
    old = sandbox_site("kept", dify={"release": "1.15.0"})
    deploy(old)
    postgres, secrets = {"port": old.environment.postgres.port}, old.secrets
    later = sandbox_site(
        "kept", postgres=postgres, secrets={k: v.get_secret_value() for k, v in secrets.items()}
    )
    assert (old.environment.dify.release, layout(old).major) == ("1.15.0", 16)
    assert (later.environment.dify.release, layout(later).major) == ("1.16.1", 16)
    assert deploy(later) == []


def deploy(site) -> list[Change]:
    return [change for step in PARTS["pgsql"](site) for change in converge(step).changes]
