import pytest

from config.rules.addresses import overlap


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("172.30.0.0/24", "172.30.0.0/24", True),
        ("172.30.0.0/16", "172.30.7.0/24", True),
        ("172.30.7.0/24", "172.30.0.0/16", True),
        ("172.30.7.1/24", "172.30.7.128/25", True),
        ("172.30.7.0/25", "172.30.7.128/25", False),
        ("fd00::/64", "fd00::1/128", True),
        ("fd00::/64", "fd01::/64", False),
        ("0.0.0.0/0", "fd00::/64", False),
    ],
)
def test_ranges_overlap_where_they_share_an_address(one, other, shared):
    assert overlap(one, other) is shared
