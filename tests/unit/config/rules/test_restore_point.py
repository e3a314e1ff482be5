from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

from pydantic import SecretStr

from config.pictures.trend import size, svg
from config.rules.restore_point import Manifest, Point, latest, shrunk

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def point(created: datetime, reason: str = "schedule", **more) -> Point:
    values = {"release": "1.15.0", "size": 100, "added": 1, "seconds": 1.0, **more}
    return Point(created.isoformat(), created, reason, manifest="m", snapshots=(), **values)


def test_what_a_restore_replaced_is_not_the_latest():
    old, replaced = point(NOON), point(NOON + timedelta(hours=1), "before-restore")
    assert latest([old, replaced]) == old
    assert latest([]) is None


def test_half_of_what_was_there_is_suspicious():
    assert shrunk(49, 100, 0.5)
    assert not shrunk(50, 100, 0.5)
    assert not shrunk(0, 0, 0.5)


def test_secrets_are_clear_in_the_repository_only():
    manifest = Manifest(
        point="p", environment="prod", created=NOON, reason="asked", release="1.15.0",
        admin_email="a@b", images={}, versions={}, secrets={"secret_key": SecretStr("s3cret")},
        rendered={}, folders={}, tenant_keys={}, rows={}, queues={}, without_file=[], parts=[],
    )  # fmt: skip
    assert "s3cret" not in repr(manifest) + str(manifest.model_dump())
    again = Manifest.model_validate_json(manifest.model_dump_json())
    assert again.secrets["secret_key"].get_secret_value() == "s3cret"
    assert '"keys":{}' in manifest.model_dump_json() and not hasattr(manifest, "keys")


def test_the_trend_shows_every_point():
    picture = svg([point(NOON, size=2_000_000), point(NOON + timedelta(days=1))])
    root = ElementTree.fromstring(picture)  # noqa: S314 - drawn by us
    bars = [bar for bar in root.iter("{http://www.w3.org/2000/svg}rect") if len(bar)]
    assert len(bars) == 3 * 2
    assert all(0 <= float(bar.get("y", "-1")) <= float(root.get("height", "0")) for bar in bars)
    assert ">2 MB<" in picture and ">1 MB<" in picture
    assert "2026-11-24 12:00 to 2026-11-25 12:00" in picture
    assert "nothing yet" in svg([])
    assert size(1_500_000_000) == "1.5 GB"
