"""Dify 0.6.11 as the recipe of 2024 set it up: a superuser, an open rule, Redis of Pigsty's.

Its owner has named folder, database and domain otherwise.
"""

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from config.load import ROOT
from tasks.core.site import Site
from tests.integration.adopting import PASSWORD, compose
from tests.pigsty.lab.foreign import Place, ran, roles_and_databases, running, served
from tests.pigsty.lab.site import LabSite

FILES = Path(__file__).parent / "recipe"
PROJECT, RELEASE, ROLE = "dify-recipe", "0.6.11", "dbuser_recipe"
PORT = 8001
REDIS, PUBLISHED, CHANGED = "redis-dify", "redis.dify", "redis.of-the-recipe"
# What docs/recipe.md has an owner type who changes the published one.
PLAYBOOK = "./redis.yml -l redis-dify -t redis_config,redis_exporter"
PROMPT = "redis-cli -h "
TYPED = f"AUTH {PUBLISHED}", "CONFIG SET requirepass "
COMPOSE = "docker compose up -d", "docker compose restart nginx"


@contextmanager
def recipes_dify(site: LabSite, home: Path) -> Generator[Site]:
    """It runs, served by Pigsty's portal, and has data of people."""
    folders = home / "opt", home / "srv/assistant"
    place = Place(PROJECT, *folders, RELEASE, ROLE, "assistant", "ai.lab.pigsty")
    _configure(site, place)
    roles_and_databases(site, ROLE, place.name)
    ran(site, "bin/redis-add", REDIS)
    served(site)
    place.folder.mkdir()
    for name in ("docker-compose.yml", "nginx.conf"):
        shutil.copy(FILES / name, place.folder)
    env = (FILES / "env").read_text().replace("@IP@", site.lab.address)
    env = env.replace("@DATA@", str(place.data)).replace("@DATABASE@", place.name)
    (place.folder / ".env").write_text(env)
    with running(site, place) as there:
        yield there


def _configure(site: LabSite, place: Place) -> None:
    user = {"name": ROLE, "password": PASSWORD, "superuser": True, "pgbouncer": True}
    rule = {"user": ROLE, "db": "all", "addr": "world", "auth": "pwd", "title": "allow dify"}
    site.lab.cluster(
        pg_users=[user | {"roles": ["dbrole_admin"]}],
        pg_databases=[{"name": place.name, "owner": ROLE}],
        pg_hba_rules=[rule],
    )
    _configure_redis(site, PUBLISHED)
    entry = {"domain": place.domain, "endpoint": f"{site.gateway}:{PORT}"}
    site.lab.portal(**{place.name: entry})


def _configure_redis(site: LabSite, password: str) -> None:
    host = {"redis_node": 1, "redis_instances": {6379: {}}}
    settings = {"redis_password": password, "redis_max_memory": "64MB"}
    site.lab.group(REDIS, site.lab.address, host, redis_cluster=REDIS, **settings)


def change_redis_password(site: LabSite, there: Site) -> None:
    """As docs/recipe.md says it: Redis runs on, and that Dify is given the new one at once."""
    page = (ROOT / "docs/recipe.md").read_text()
    assert all(words in page for words in (PLAYBOOK, PROMPT, *TYPED, *COMPOSE))
    auth, change = TYPED
    _configure_redis(site, CHANGED)
    ran(site, *PLAYBOOK.split())
    done = site.lab.inside(PROMPT + site.lab.address, f"{auth}\n{change}{CHANGED}\n")
    assert done.stdout.split() == ["OK", "OK"], done
    file = there.environment.dify.home / ".env"
    file.write_text(file.read_text().replace(PUBLISHED, CHANGED))
    for words in COMPOSE:
        compose(there, *words.split()[2:])
