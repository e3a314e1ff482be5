"""Whether SELinux keeps containers from folders is asked where it is enforced."""

from pathlib import Path

import pytest

from config.load import load_environment, load_release
from config.rules.finding import Status
from tasks.core.site import Site
from tasks.probes.preflight import selinux


@pytest.mark.parametrize(
    ("enforce", "said"), [("1", "is enforced"), ("0", "is not"), ("", "is not")]
)
def test_it_is_asked_where_it_is_enforced(
    enforce: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine of this machine labels no container, or does not run."""
    (tmp_path / "enforce").write_text(enforce)
    monkeypatch.setattr(selinux, "ENFORCE", tmp_path / ("enforce" if enforce else "absent"))
    environment = load_environment("sandbox")
    reading = selinux.selinux(Site(environment, load_release(environment.dify.release), {}))
    assert reading.status == Status.OK
    assert reading.said.startswith(said)
