"""Section [postgres] of an environment."""

from typing import Annotated, Literal

from pydantic import Field

from config.environment.addresses import Host, Port
from config.environment.forms import FileOrNone, Identifier, IdentifierOrNone
from config.environment.model import Strict


class Pool(Strict):
    """Connections each Dify process keeps, and may open beyond them."""

    size: Annotated[int, Field(ge=1, le=500)]
    overflow: Annotated[int, Field(ge=0, le=500)]

    @property
    def most(self) -> int:
        return self.size + self.overflow


class Postgres(Strict):
    """Where Dify's databases are, who owns them and how many connections Dify opens."""

    host: Host
    port: Port
    sslmode: Literal["prefer", "require", "verify-ca", "verify-full"]
    ca: FileOrNone
    user: Identifier
    admin: IdentifierOrNone
    database: Identifier
    plugin_database: Identifier
    max_connections: Annotated[int, Field(ge=20, le=10_000)]
    pool: Pool
