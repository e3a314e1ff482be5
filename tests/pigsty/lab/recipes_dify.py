"""Dify 0.6.11 as the recipe of 2024 set it up: a superuser, an open rule, Redis of Pigsty's."""

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tasks.core.site import Site
from tests.integration.adopting import PASSWORD
from tests.pigsty.lab.foreign import DOMAIN, Place, ran, roles_and_databases, running, served
from tests.pigsty.lab.site import LabSite

FILES = Path(__file__).parent / "recipe"
PROJECT, RELEASE, ROLE = "dify-recipe", "0.6.11", "dbuser_recipe"
PORT = 8001
# The recipe's own is refused: somebody has changed it before.
REDIS, REDIS_PASSWORD = "redis-dify", "redis.of-the-recipe"


@contextmanager
def recipes_dify(site: LabSite, home: Path) -> Generator[Site]:
    """It runs, served by Pigsty's portal, and has data of people."""
    place = Place(PROJECT, home / "opt", home / "data", RELEASE, ROLE)
    _configure(site)
    roles_and_databases(site, ROLE, "dify")
    ran(site, "bin/redis-add", REDIS)
    served(site)
    place.folder.mkdir()
    for name in ("docker-compose.yml", "nginx.conf"):
        shutil.copy(FILES / name, place.folder)
    env = (FILES / "env").read_text().replace("@IP@", site.lab.address)
    (place.folder / ".env").write_text(env.replace("@DATA@", str(place.data)))
    with running(site, place) as there:
        yield there


def _configure(site: LabSite) -> None:
    user = {"name": ROLE, "password": PASSWORD, "superuser": True, "pgbouncer": True}
    rule = {"user": ROLE, "db": "all", "addr": "world", "auth": "pwd", "title": "allow dify"}
    site.lab.cluster(
        pg_users=[user | {"roles": ["dbrole_admin"]}],
        pg_databases=[{"name": "dify", "owner": ROLE}],
        pg_hba_rules=[rule],
    )
    host = {"redis_node": 1, "redis_instances": {6379: {}}}
    settings = {"redis_password": REDIS_PASSWORD, "redis_max_memory": "64MB"}
    site.lab.group(REDIS, site.lab.address, host, redis_cluster=REDIS, **settings)
    site.lab.portal(dify={"domain": DOMAIN, "endpoint": f"{site.gateway}:{PORT}"})
