"""configure: what it takes for an address, and what it writes over."""

import pytest


@pytest.mark.parametrize("address", ["10.0.0.5", "999.1.1.1", "10.0.0.5extra"])
def test_it_takes_what_is_no_address(pigsty, address):
    path = pigsty.tree / "pigsty.yml"
    path.write_text("# the only copy of somebody's work\n")
    done = pigsty.run("./configure", "-i", address, "-n")
    assert done.status == 0
    text = path.read_text()
    assert f"admin_ip: {address}" in text and "the only copy" not in text
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("-i", "nonsense", "-n"), 7),
        (("-i", "10.0.0.5", "-n", "-v", "9"), 1),
        (("-i", "10.0.0.5", "-n", "-c", "nosuch"), 11),
    ],
)
def test_what_it_refuses(pigsty, words, status):
    assert pigsty.run("./configure", *words).status == status


def test_generated_passwords_are_shown_to_everybody(pigsty):
    done = pigsty.run("./configure", "-i", "10.0.0.5", "-n", "-g")
    assert done.status == 0
    text = (pigsty.tree / "pigsty.yml").read_text()
    generated = next(line for line in text.splitlines() if "pg_admin_password:" in line)
    assert generated.split(":")[1].split("#")[0].strip() in done.text
