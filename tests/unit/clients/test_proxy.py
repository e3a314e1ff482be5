import pytest

from clients.node import LocalNode
from clients.proxy import WebProxy


@pytest.mark.parametrize(
    ("url", "bare", "user", "password"),
    [
        ("http://proxy:3128", "http://proxy:3128", "", None),
        ("http://me:p%40ss@proxy:3128", "http://proxy:3128", "me", "p@ss"),
    ],
)
def test_a_login_in_the_address_is_taken_out_of_it(url, bare, user, password):
    found = WebProxy.of(url, LocalNode())
    assert (found.url, found.user) == (bare, user)
    assert (found.password.get_secret_value() if found.password else None) == password
    assert "p@ss" not in repr(found)
