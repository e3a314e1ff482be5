"""Whether Dify's migrations can make their tables in a database of Dify's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clients.postgres import Postgres
from config.errors import NotKnown
from config.rules.postgres_limits import Hindrance
from config.rules.postgres_place import Place, hindrances
from tasks.core.step import Blocked, Change, Planned

_ASKED = """
SELECT current_setting('server_encoding'),
       coalesce(current_schema(), ''),
       (SELECT json_object_agg(extname, nspname)
          FROM pg_catalog.pg_extension JOIN pg_catalog.pg_namespace n ON n.oid = extnamespace
         WHERE extname = ANY (%s) AND NOT nspname = ANY (current_schemas(true)))
"""


@dataclass(frozen=True, slots=True)
class Suitable:
    """The database takes Dify's tables, and its extensions are found from there.

    All of it is the administrator's to change, who may have had a reason. Where it
    cannot be asked, the parts before say why.
    """

    login: Postgres
    extensions: tuple[str, ...]
    name: str = "pgsql"
    settle_s: float = 0

    def observe(self) -> list[Hindrance]:
        try:
            with self.login.connect() as connection:
                found: Any = connection.execute(_ASKED, [list(self.extensions)]).fetchone()
        except NotKnown:
            return []
        encoding, schema, unseen = found
        place = Place(self.login.user, self.login.database, encoding, schema, unseen or {})
        return list(hindrances(place))

    def plan(self, actual: list[Hindrance]) -> Sequence[Planned]:
        what = f"make tables in {self.login.database}"
        return [Blocked(what, each.cause, each.advice) for each in actual]

    def apply(self, change: Change) -> None:
        """Nothing is ever planned that could be applied."""
