"""Section [portal] of an environment."""

from typing import Annotated, Literal

from pydantic import Field

from config.environment.addresses import Port, Site
from config.environment.forms import FileOrNone
from config.environment.model import Strict


class Portal(Strict):
    """The nginx that serves the domain: ports, TLS, and where it leads."""

    domain: Site
    route: Literal["stack", "services"]
    http_port: Port
    https_port: Port
    tls: bool
    certificate: FileOrNone
    key: FileOrNone
    body_size_mb: Annotated[int, Field(ge=1, le=10_240)]

    @property
    def is_address(self) -> bool:
        """Whether people open Dify by an address, which no DNS knows and no SNI names."""
        return self.domain.replace(".", "").isdigit()
