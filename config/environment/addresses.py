"""Kinds of texts that say where something is: addresses, hosts, networks."""

import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated

from pydantic import AfterValidator, Field

from config.environment.check import each, masked, matches, satisfies

_SMALLEST = 25
_LABEL = r"(?!-)[a-z0-9-]{1,63}(?<!-)"


def _parsed_by(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def test(value: str) -> bool:
        try:
            parse(value)
        except ValueError:
            return False
        return True

    return test


_address = satisfies(
    _parsed_by(IPv4Address),
    "{!r} is not an IPv4 address; expected four numbers 0-255, like '10.10.10.10'",
)
_specified = satisfies(
    lambda value: not IPv4Address(value).is_unspecified,
    "{!r} opens the stack to every network, beside the portal; "
    "expected one address of this machine, like '127.0.0.1'",
)
_domain = matches(
    rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*",
    "{!r} is not a domain name; expected lower-case labels joined by dots, like 'dify.example.com'",
)
_endpoint = satisfies(
    lambda value: re.fullmatch(r".+:0*[1-9]\d*", value) and int(value.rpartition(":")[2]) <= 65535,  # noqa: PLR2004
    "{!r} is not an address; expected host:port",
)
_private = satisfies(
    lambda value: _is_private(IPv4Network(value)),
    "{!r} is not a private network; expected a part of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16",
)
_large_enough = satisfies(
    lambda value: IPv4Network(value).prefixlen <= _SMALLEST,
    f"{{!r}} is too small for the stack's networks; expected /{_SMALLEST} or larger",
)
_not_everybody = satisfies(
    lambda value: value not in ("world", "all"),
    "{!r} admits every machine to the password prompt; expected the addresses Dify connects from",
)
# As Pigsty's HBA rules take them: it aborts on names and on IPv6.
_known_to_pigsty = satisfies(
    lambda value: value in ("cluster", "admin", "infra", "intra") or _parsed_by(IPv4Network)(value),
    "{!r} is no sender Pigsty knows; expected an IPv4 address, a network like "
    "'10.0.0.0/8', 'cluster', 'admin', 'infra' or 'intra'",
)


def _sender(value: str) -> str:
    return _known_to_pigsty(_not_everybody(value))


def _host(value: str) -> str:
    """A text that looks like an address has to be one."""
    if "://" in value:
        raise ValueError(f"{masked(value)!r} is a URL; expected the name or the address alone")
    if re.fullmatch(r"[^:]+:\d*", value):
        raise ValueError(
            f"{value!r} has a port, which is a key of its own; expected the name alone"
        )
    return _address(value) if ":" in value or re.fullmatch(r"[0-9.]+", value) else _domain(value)


def _site(value: str) -> str:
    """What people type after https://, without what other keys say."""
    if value.startswith(("http://", "https://")):
        raise ValueError(f"{value!r} is a URL; expected the name alone, like 'dify.example.com'")
    if "/" in value:
        raise ValueError(f"{value!r} has a path; Dify is served at the root of a name of its own")
    if value.count(":") > 1:
        raise ValueError(f"{value!r} is an IPv6 address; expected a name, or an IPv4 address")
    if ":" in value:
        raise ValueError(
            f"{value!r} has a port; expected the name alone, the port is portal.https_port"
        )
    if not value.isascii():
        raise ValueError(
            f"{value!r} is not ASCII; expected the form that DNS has, like 'xn--bcher-kva.example'"
        )
    return _host(value)


def _host_of_endpoint(value: str) -> str:
    _host(value.rpartition(":")[0])
    return value


def _network(value: str) -> str:
    try:
        IPv4Network(value)
    except ValueError as error:
        raise ValueError(f"{error}; expected a network like '172.30.31.0/24'") from None
    return value


def _is_private(network: IPv4Network) -> bool:
    return network.is_private and not network.is_loopback and not network.is_link_local


def _once(values: list[str]) -> list[str]:
    for index, value in enumerate(values):
        if value in values[:index]:
            raise ValueError(f"{value!r} is there twice; expected every address once")
    return values


Port = Annotated[int, Field(ge=1, le=65535)]
Address = Annotated[str, AfterValidator(_address)]
Addresses = Annotated[list[str], AfterValidator(each(_address)), AfterValidator(_once)]
Bind = Annotated[Address, AfterValidator(_specified)]
Host = Annotated[str, AfterValidator(_host)]
Site = Annotated[str, AfterValidator(_site)]
Endpoint = Annotated[str, AfterValidator(_endpoint), AfterValidator(_host_of_endpoint)]
Subnet = Annotated[
    str, AfterValidator(_network), AfterValidator(_private), AfterValidator(_large_enough)
]
Senders = Annotated[list[str], AfterValidator(each(_sender))]
AddressOrNone = Annotated[
    str,
    AfterValidator(
        satisfies(
            lambda value: not value or _parsed_by(IPv4Address)(value),
            "{!r} is not an IPv4 address; expected four numbers 0-255, like '10.10.10.10', "
            "or empty",
        )
    ),
]
