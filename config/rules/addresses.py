"""Ranges of addresses."""

from ipaddress import IPv4Network, IPv6Network, ip_network


def overlap(one: str, other: str) -> bool:
    """Whether two ranges, like `172.30.0.0/24`, share an address; of two versions they never do."""
    first, second = ip_network(one, strict=False), ip_network(other, strict=False)
    if isinstance(first, IPv4Network) and isinstance(second, IPv4Network):
        return first.overlaps(second)
    if isinstance(first, IPv6Network) and isinstance(second, IPv6Network):
        return first.overlaps(second)
    return False
