"""The PostgreSQL that is named takes writes and gives sessions.

It is no standby that only follows another one, and no pooler that hands out transactions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from clients.postgres import Postgres, PostgresUnfit
from config.errors import NotKnown
from tasks.core.step import Blocked, Change, Planned


@dataclass(frozen=True, slots=True)
class Primary:
    """The server is no standby, and a connection is a session of it.

    Where it cannot be asked, the parts after this one say why.
    """

    login: Postgres
    name: str = "pgsql"
    settle_s: float = 0

    def observe(self) -> PostgresUnfit | None:
        try:
            self.login.check()
        except PostgresUnfit as error:
            return error
        except NotKnown:
            return None
        return None

    def plan(self, actual: PostgresUnfit | None) -> Sequence[Planned]:
        return [Blocked("use PostgreSQL", str(actual), actual.advice)] if actual else []

    def apply(self, change: Change) -> None:
        """Nothing is ever planned that could be applied."""
