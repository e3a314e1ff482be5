from pathlib import Path

from tasks.tools.debootstrap import MIRROR, bootstrap, mirror

DEB822 = """Types: deb
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
"""


def test_the_mirror_is_the_one_apt_uses_for_that_suite() -> None:
    assert mirror([DEB822], "bookworm") == "http://mirror.example/debian"
    assert mirror([DEB822], "bookworm-security") == "http://mirror.example/debian-security"
    line = "deb [signed-by=/k.gpg] https://other.example/debian bookworm main\n"
    assert mirror([line], "bookworm") == "https://other.example/debian"


def test_without_a_matching_source_it_is_debians_own() -> None:
    assert mirror([], "bookworm") == MIRROR
    assert mirror(["# deb http://x bookworm main\n", DEB822], "trixie") == MIRROR


def test_the_command_names_everything_it_installs() -> None:
    command = bootstrap("bookworm", ["curl", "squid"], Path("/tmp/root"), MIRROR)
    assert str(command) == (
        f"debootstrap --variant=minbase --include=curl,squid bookworm /tmp/root {MIRROR}"
    )
