"""Section [portal] of an environment."""

from typing import Annotated, Literal

from pydantic import Field

from config.environment.addresses import Domain, Port
from config.environment.model import Strict


class Portal(Strict):
    """The nginx that serves the domain: ports, TLS, and where it leads."""

    domain: Domain
    route: Literal["stack", "services"]
    http_port: Port
    https_port: Port
    tls: bool
    body_size_mb: Annotated[int, Field(ge=1, le=10_240)]
