"""A bundle that is damaged, or made to do harm, is one sentence."""

import json
import os
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from cli.images import app
from config.errors import StepError
from tasks.images.added_files import extract
from tasks.images.bundle_proof import prove
from tasks.images.bundle_reader import opened
from tasks.tools.bundle import BLOCK, END, SUMS, TABLE, config_part, header, layer_part
from tests.unit.tasks.images.bundles import CONFIG, DIFF, LAYER, digest, entries, packed

WHOLE = packed(entries())
CONFIG_PART, LAYER_PART = config_part(digest(CONFIG)), layer_part(DIFF)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("bundle")


def refusal(folder: Path, content: bytes) -> str:
    """What the bundle is refused with; empty if it is whole."""
    path = folder / "dify.bundle"
    path.write_bytes(content)
    try:
        prove(opened(path))
        extract(opened(path), folder / "extra")
    except StepError as error:
        said = error.cause
    else:
        said = ""
    assert said.isprintable()
    return said


def test_a_whole_one_is_taken(folder) -> None:
    assert refusal(folder, WHOLE) == ""
    assert (folder / "extra/some.whl").read_bytes() == b"added"


def test_what_fills_the_last_block_of_the_sums_is_nothing(folder) -> None:
    at = len(WHOLE) - len(END) - 1
    assert "SHA256SUMS (its last block)" in refusal(folder, WHOLE[:at] + b"\1" + WHOLE[at + 1 :])


@given(st.data())
def test_any_damage_is_one_sentence(folder, data) -> None:
    at = data.draw(st.integers(0, len(WHOLE) - 1))
    content = data.draw(
        st.sampled_from([
            WHOLE[:at],
            WHOLE[at:],
            WHOLE[:at] + data.draw(st.binary(min_size=1, max_size=600)) + WHOLE[at:],
            WHOLE[:at] + data.draw(st.binary(min_size=1, max_size=600)) + WHOLE[at + 1 :],
            WHOLE + data.draw(st.binary(min_size=1, max_size=3 * BLOCK)),
        ])
    )  # fmt: skip
    assert content == WHOLE or refusal(folder, content)


@given(st.data())
def test_entries_in_any_other_order_number_or_name(folder, data) -> None:
    known = [*dict(entries()), "extra/..", "../x", "/etc/passwd", "extra/a/b", "images/x.json"]
    part = st.tuples(st.sampled_from(known) | st.text(max_size=30), st.binary(max_size=600))
    chosen = data.draw(st.lists(st.sampled_from(entries()) | part, max_size=12))
    try:
        content = packed(chosen)
    except UnicodeEncodeError:
        return
    if sorted(chosen) != sorted(entries()):
        assert refusal(folder, content)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(
    place=st.sampled_from(["image", "part", "table"]),
    key=st.sampled_from(["format", "environment", "images", "parts", "reference", "id", "digest",
                         "layers", "name", "size", "raw", "sha256"]),
    value=json_values,
)  # fmt: skip
def test_a_table_that_fits_its_checksums_and_nothing_else(folder, place, key, value) -> None:
    try:
        content = packed(entries(**{place: {key: value}}))
    except (TypeError, AttributeError, UnicodeEncodeError):
        return  # no manifest can be made of it
    refusal(folder, content)


@pytest.mark.parametrize("size", [-512, -1024, -1, -(1 << 40), 1 << 62])
def test_a_size_below_zero_or_beyond_the_file_ends(folder, size) -> None:
    (name, data), *rest = entries()
    assert refusal(folder, packed([(name, data)])[: -len(END)] + header("extra/x", size)
                   + packed(rest))  # fmt: skip


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "../../x", "/x", " x", "a\nb", "\x1b[2J"])
def test_an_added_file_has_a_plain_name(folder, name) -> None:
    assert "damaged header" in refusal(folder, packed(entries(parts={f"extra/{name}": b"x"})))


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"image": {"layers": [f"sha256:{'1' * 64}"]}}, f"needs layers/{'1' * 64}.tar.zst"),
        ({"image": {"id": f"sha256:{'2' * 64}"}}, f"needs images/{'2' * 64}.json"),
        ({"image": {"id": "sha256:../../x"}}, "of another format"),
        ({"image": {"reference": "a b"}}, "of another format"),
        ({"image": {"layers": []}}, "is made of other layers than"),
        ({"table": {"images": []}}, "manifest.json and bundle.json differ"),
        ({"table": {"environment": "../x y"}}, "of another format"),
        ({"part": {"raw": -1}}, "of another format"),
        ({"part": {"raw": 1 << 60}}, "of another format"),
        ({"part": {"size": 1}}, "damaged part: layers/"),
        ({"part": {"raw": len(LAYER) - 1}}, f"does not unpack to {len(LAYER) - 1} bytes"),
        ({"part": {"raw": 1 << 49}}, f"does not unpack to {1 << 49} bytes"),
        ({"parts": {LAYER_PART: b"not zstd"}}, "does not unpack"),
        (
            {"parts": {LAYER_PART: zstandard.compress(b"y" * len(LAYER))}},
            "unpacks to another layer",
        ),
        ({"parts": {CONFIG_PART: b"[" * 100_000}}, "damaged part: images/"),
        ({"parts": {"manifest.json": b"[]"}}, "manifest.json and bundle.json differ"),
        ({"parts": {"README": b"read this"}}, "README is not that of a bundle"),
    ],
)
def test_what_fits_its_checksums_and_cannot_be_true(folder, changed, why) -> None:
    assert why in refusal(folder, packed(entries(**changed)))


def test_a_part_named_twice_or_too_many(folder) -> None:
    assert "twice" in refusal(folder, packed([*entries(), entries()[0]]))
    many = [(f"extra/{number}", b"") for number in range(11_000)]
    assert "too many" in refusal(folder, packed([entries()[0], *many]))


@pytest.mark.parametrize("name", [TABLE, SUMS, "manifest.json", "README"])
def test_a_text_larger_than_memory_is_not_read(folder, name) -> None:
    path = folder / "large"
    kept = [entry for entry in entries() if entry[0] != name]
    with path.open("wb") as file:
        file.write(packed([entries()[0]])[: -len(END)] if name != "README" else b"")
        file.write(header(name, 1 << 40))
        file.seek(file.tell() + (1 << 40))
        file.write(packed(kept[name != "README" :]))
    with pytest.raises(StepError, match=f"{name} is larger than any bundle's"):
        opened(path)
    path.unlink()


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_something_else_than_a_file(tmp_path, kind) -> None:
    path = Path("/dev/zero") if kind == "device" else tmp_path / kind
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    with pytest.raises(StepError, match="is no file"):
        opened(path)


@pytest.mark.parametrize("link", ["some.whl", ".some.whl.part"])
def test_nothing_is_written_through_a_link(tmp_path, link) -> None:
    outside, path = tmp_path / "outside", tmp_path / "dify.bundle"
    path.write_bytes(WHOLE)
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra" / link).symlink_to(outside)
    extract(opened(path), tmp_path / "extra")
    assert not outside.exists()
    assert [(each.name, each.is_symlink()) for each in (tmp_path / "extra").iterdir()] == [
        ("some.whl", False)
    ]


def test_a_folder_of_an_added_files_name_is_a_sentence(tmp_path) -> None:
    path = tmp_path / "dify.bundle"
    path.write_bytes(WHOLE)
    (tmp_path / "extra/some.whl").mkdir(parents=True)
    with pytest.raises(StepError, match="cannot be put into"):
        extract(opened(path), tmp_path / "extra")


def test_the_config_in_these_tests_is_an_images(folder) -> None:
    assert json.loads(CONFIG)["rootfs"]["diff_ids"] == [DIFF]


def test_the_command_checks_a_bundle_without_environment_or_engine(folder) -> None:
    path, run = folder / "dify.bundle", CliRunner()
    path.write_bytes(WHOLE)
    done = run.invoke(app, ["verify", str(path), "--json"])
    assert [row["image"] for row in json.loads(done.stdout)["rows"]] == ["test/api:1"]
    path.write_bytes(WHOLE[:-1])
    assert "damaged at its end" in str(run.invoke(app, ["verify", str(path)]).exception)
