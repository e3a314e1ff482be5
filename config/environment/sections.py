"""The sections of an environment."""

from typing import Annotated

from pydantic import Field

from config.environment.backup import Backup
from config.environment.dify import Dify
from config.environment.docker import Docker
from config.environment.drill import Drill, derived
from config.environment.forms import Name
from config.environment.health import Health
from config.environment.images import Images
from config.environment.limits import Limits
from config.environment.model import Strict
from config.environment.nodes import Nodes
from config.environment.pigsty import Pigsty
from config.environment.platform import Platform
from config.environment.portal import Portal
from config.environment.postgres import Postgres
from config.environment.redis import Redis
from config.environment.sandbox import Sandbox
from config.environment.secrets import Secrets
from config.environment.storage import Storage
from config.environment.switch import Switch
from config.environment.upgrade import Upgrade


class Sections(Strict):
    """Every section, each checked by itself, and the keys that belong to none."""

    name: Name
    protected: bool
    approve_within_h: Annotated[int, Field(ge=1, le=720)]
    platform: Platform
    sandbox: Sandbox
    nodes: Nodes
    pigsty: Pigsty
    dify: Dify
    postgres: Postgres
    redis: Redis
    storage: Storage
    docker: Docker
    images: Images
    portal: Portal
    backup: Backup
    secrets: Secrets
    health: Health
    limits: Limits
    upgrade: Upgrade
    switch: Switch

    @property
    def drill(self) -> Drill:
        """Where a drill runs."""
        return derived(
            self.backup.drill,
            subnet=self.dify.subnet,
            port=self.dify.port,
            taken={self.redis.database, self.redis.broker_database},
        )
