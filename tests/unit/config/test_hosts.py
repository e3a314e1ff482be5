import string

from hypothesis import given
from hypothesis import strategies as st

from config.desired.hosts import with_entry, without_entry

MARKER = "dify-rollout sandbox"
OURS = "127.0.0.1 dify.test  # dify-rollout sandbox\n"
TEXTS = st.text(string.ascii_letters + " #.\t\r\n\x0b", max_size=60)


def entry(text):
    return with_entry(text, "127.0.0.1", "dify.test", MARKER)


@given(TEXTS)
def test_one_line_is_ours_and_the_rest_is_as_it_was(text):
    written = entry(text)
    assert written.startswith(text)
    assert written.endswith(OURS)
    assert entry(written) == written
    assert without_entry(written, MARKER).rstrip("\n") == text.rstrip("\n")


def test_an_old_or_doubled_line_is_replaced():
    old = "10.0.0.1 old.test  # dify-rollout sandbox\n"
    assert entry(f"{old}::1 localhost\n{OURS}") == f"::1 localhost\n{OURS}"


def test_another_environment_keeps_its_line():
    other = "127.0.0.1 dify.test  # dify-rollout sandbox2\n"
    assert entry(other) == other + OURS
    assert without_entry(other, MARKER) == other
