"""What keeps Dify's migrations from making their tables in a database that lets the role in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from config.rules.postgres_limits import Hindrance

ENCODING = "UTF8"
SCHEMA = "public"


@dataclass(frozen=True, slots=True)
class Place:
    """A database as the role finds it.

    `schema`: where a table without another one's name is made; empty: nowhere. `unseen`: extension
    → its schema, where the role's search_path does not lead.
    """

    role: str
    database: str
    encoding: str
    schema: str
    unseen: Mapping[str, str]


def hindrances(place: Place) -> Iterator[Hindrance]:
    """Each with the statement that takes it away."""
    role, database = place.role, place.database
    if place.encoding != ENCODING:
        yield Hindrance(
            f"database {database} has the encoding {place.encoding}, in which Dify cannot keep the "
            "texts of every language",
            f'as administrator, while it is empty: DROP DATABASE "{database}"; CREATE DATABASE '
            f'"{database}" OWNER "{role}" ENCODING \'{ENCODING}\' TEMPLATE template0;',
        )
    path = ", ".join(f'"{name}"' for name in dict.fromkeys([SCHEMA, *place.unseen.values()]))
    lead = f'as administrator: ALTER ROLE "{role}" IN DATABASE "{database}" SET search_path = '
    if place.schema != SCHEMA:
        yield Hindrance(
            f"search_path of {role} in {database} leads to {place.schema or 'no schema'}; Dify's "
            f"tables are in {SCHEMA}",
            f"{lead}{path};",
        )
    elif place.unseen:
        found = ", ".join(f"{name} in {schema}" for name, schema in place.unseen.items())
        yield Hindrance(
            f"database {database} has {found}, where search_path of {role} does not lead",
            f"{lead}{path};",
        )
