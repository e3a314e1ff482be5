"""Section [dify] of an environment."""

from typing import Annotated, Literal

from pydantic import Field

from config.environment.addresses import Bind, Port, Subnet
from config.environment.forms import Email, Language, Name
from config.environment.model import Folder, Strict

Direct = Literal["web", "api", "plugin", "websocket"]
LONGEST_NAME = 30
DIRECT_PORTS: dict[Direct, int] = {"web": 3000, "api": 5001, "plugin": 5002, "websocket": 5003}


class Dify(Strict):
    """What runs of Dify and how: release, ports, first account, size, time it may take."""

    release: str
    project: Name
    home: Folder
    data: Folder
    bind: Bind
    port: Port
    direct_ports: dict[Direct, Port]
    subnet: Subnet
    services: list[str]
    admin_email: Email
    language: Language
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"]
    api_workers: Annotated[int, Field(ge=1, le=64)]
    celery_workers: Annotated[int, Field(ge=1, le=64)]
    upload_limit_mb: Annotated[int, Field(ge=1, le=10_240)]
    start_within_s: Annotated[int, Field(ge=10, le=3600)]
    migrate_within_s: Annotated[int, Field(ge=10, le=86_400)]

    @property
    def admin_name(self) -> str:
        """Of the first account, as Dify takes it: what its address has before the @."""
        return self.admin_email.partition("@")[0][:LONGEST_NAME]

    def direct_port(self, service: Direct) -> int:
        """The port of a service that the portal reaches without the stack's nginx."""
        return self.direct_ports.get(service, DIRECT_PORTS[service])
