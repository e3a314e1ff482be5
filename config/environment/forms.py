"""Kinds of texts that have a form of their own, each with the sentence that refuses another."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from config.environment.check import matches, satisfies


def _form(pattern: str, sentence: str) -> AfterValidator:
    return AfterValidator(matches(pattern, sentence))


Name = Annotated[
    str,
    _form(
        r"[a-z0-9][a-z0-9_-]{0,62}",
        "{!r} is not a usable name; expected lower-case letters, digits, '-' and '_', "
        "at most 63, starting with a letter or digit",
    ),
]

_IDENTIFIER = r"[a-z_][a-z0-9_]{0,62}"
_NO_IDENTIFIER = (
    "{!r} is not a usable PostgreSQL name; "
    "expected lower-case letters, digits and '_', at most 63, not starting with a digit"
)
Identifier = Annotated[str, _form(_IDENTIFIER, _NO_IDENTIFIER)]
IdentifierOrNone = Annotated[str, _form(f"({_IDENTIFIER})?", _NO_IDENTIFIER)]

RedisUser = Annotated[
    str,
    _form(r"[!-~]*", "{!r} is no user of Redis; expected printable ASCII without spaces"),
]

Cluster = Annotated[
    str,
    _form(
        r"[a-z][a-z0-9-]{0,61}[a-z0-9]",
        "{!r} is not a usable cluster name; expected lower-case letters, digits and '-', "
        "at most 63, starting with a letter, like 'pg-meta'",
    ),
]

PigstyVersion = Annotated[
    str,
    _form(r"v\d+\.\d+\.\d+", "{!r} is not a version of Pigsty; expected one like 'v4.5.0'"),
]

PigstyTemplate = Annotated[
    str,
    _form(
        r"[a-z0-9_-]+(/[a-z0-9_-]+)?",
        "{!r} is not a template of Pigsty; expected a file of its conf/ without .yml, "
        "like 'meta' or 'ha/trio'",
    ),
]

Email = Annotated[
    str,
    _form(r"[^@\s]+@[^@\s]+", "{!r} is not an e-mail address; expected 'name@example.com'"),
]

Language = Annotated[
    str,
    _form(
        r"[a-z]{2}-[A-Z][A-Za-z]{1,3}",
        "{!r} is not a language of Dify; expected one like 'en-US'",
    ),
]

BlockSlug = Annotated[
    str,
    _form(
        r"[a-z0-9-]+/[a-z0-9-]+",
        "{!r} is not a Prefect block; expected type and name, like 'slack-webhook/ops'",
    ),
]

SshKeyName = Annotated[
    str,
    _form(
        r"[a-z0-9-]*",
        "{!r} is not a name of a Prefect block; expected one of type SSH key, like 'prod'; "
        "key files are named in OpenSSH's own configuration",
    ),
]


def _leads_somewhere(value: str) -> bool:
    try:
        found = urlsplit(value)
        host, port = found.hostname, found.port
    except ValueError:  # an address or a port that is none
        return False
    return bool(re.fullmatch(r"https?://[^\s/]+(/\S*)?", value) and host and port != 0)


_url = satisfies(
    lambda value: not value or _leads_somewhere(value),
    "{!r} is not a URL; expected 'http://…' or 'https://…'",
)
Url = Annotated[str, AfterValidator(_url)]

FileOrNone = Annotated[
    str, _form(r"(/[^\0]+)?", "{!r} is relative; expected the absolute path of a file, or empty")
]
Destination = Annotated[
    str,
    _form(
        # OpenSSH takes what follows a colon for a part of the name.
        r"(?!-)(?![^:/]+:\d+$)[A-Za-z0-9_.@:/%\[\]-]+",
        "{!r} is not a machine; expected 'local' or a destination of OpenSSH: "
        "an alias, 'user@host' or 'ssh://user@host:port'",
    ),
]

Registry = Annotated[
    str,
    _form(
        r"(?!https?:)[A-Za-z0-9.-]+(:\d{1,5})?(/[a-z0-9._/-]*[a-z0-9])?",
        "{!r} is not a registry; expected 'origin' (the one an image names) or a host, "
        "like 'quay.io', 'registry.example.com:5000' or 'registry.example.com/mirror'",
    ),
]

# The text may be the secret itself, and is not repeated.
SecretSource = Annotated[
    str,
    _form(
        r"env:[A-Za-z_][A-Za-z0-9_]*|file:/.+|credential:[A-Za-z0-9_.@-]+|"
        r"block:[a-z0-9-]+/[a-z0-9-]+\.[A-Za-z_][A-Za-z0-9_]*",
        "this is no source of a secret; expected 'env:NAME', 'file:/path', 'credential:NAME' "
        "or 'block:type/name.field'",
    ),
]

Recipient = Annotated[
    str,
    _form(
        r"age1[a-z0-9]{58}|ssh-(ed25519|rsa) \S+( .*)?",
        "{!r} is no public key; expected one of age ('age1…') or SSH ('ssh-ed25519 …')",
    ),
]
