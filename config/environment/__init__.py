"""What an environment is: one complete Dify with its own state, minus its secrets.

One file a section, of the section's name. `forms` and `addresses` say what a value may look like,
`cross_checks` what sections must agree on.
"""

from config.environment.backup import Backup
from config.environment.dify import Dify
from config.environment.docker import Docker
from config.environment.environment import Environment
from config.environment.health import Health
from config.environment.images import Images
from config.environment.limits import Limits
from config.environment.nodes import Nodes, Retries
from config.environment.pigsty import Pigsty
from config.environment.platform import Platform
from config.environment.portal import Portal
from config.environment.postgres import Postgres
from config.environment.redis import Redis
from config.environment.sandbox import Sandbox
from config.environment.secrets import Secrets
from config.environment.storage import Storage

__all__ = [
    "Backup",
    "Dify",
    "Docker",
    "Environment",
    "Health",
    "Images",
    "Limits",
    "Nodes",
    "Pigsty",
    "Platform",
    "Portal",
    "Postgres",
    "Redis",
    "Retries",
    "Sandbox",
    "Secrets",
    "Storage",
]
