"""Section [dify] of an environment."""

from typing import Annotated, Literal

from pydantic import Field

from config.environment.addresses import Bind, Port, Subnet
from config.environment.forms import Email, Language, Name
from config.environment.model import Folder, Strict


class Dify(Strict):
    """What runs of Dify and how: release, ports, first account, size, time it may take."""

    release: str
    project: Name
    home: Folder
    data: Folder
    bind: Bind
    port: Port
    web_port: Port
    api_port: Port
    plugin_port: Port
    websocket_port: Port
    subnet: Subnet
    services: list[str]
    admin_email: Email
    admin_name: Annotated[str, Field(min_length=1, max_length=30)]
    language: Language
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"]
    api_workers: Annotated[int, Field(ge=1, le=64)]
    celery_workers: Annotated[int, Field(ge=1, le=64)]
    upload_limit_mb: Annotated[int, Field(ge=1, le=10_240)]
    start_within_s: Annotated[int, Field(ge=10, le=3600)]
    migrate_within_s: Annotated[int, Field(ge=10, le=86_400)]
