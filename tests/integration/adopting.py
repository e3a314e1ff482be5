"""A Dify that somebody else set up, in containers of its own compose file."""

import io
import subprocess
import tarfile
import uuid
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import docker
from ruamel.yaml import YAML

from clients.dify import Dify, DifyError
from clients.docker_stacks import Stacks
from clients.waiting import until
from config.desired import env_file
from tasks.adoption.facts import API_PORT
from tasks.adoption.origin import Origin
from tasks.core.release_file import RELEASE
from tasks.core.site import Site
from tasks.platforms.sandbox import nginx
from tasks.steps.compose import down
from tasks.steps.docker import compose_prefix
from tests.integration import stack
from tests.integration.upgrading import in_use
from tests.subnets import free_subnet

RELEASE_THERE = "1.15.0"
PASSWORD = "difyai123456"
YAML_FILE = "docker-compose.yml"
_SAFE = YAML(typ="safe")


def host_image() -> str:
    """An image of links alone: it runs the machine's own programs, whose folders it mounts."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name in ("bin", "lib", "lib64"):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, f"usr/{name}"
            archive.addfile(link)
    name = f"dify-test-host:{uuid.uuid4().hex[:8]}"
    docker.from_env().api.import_image_from_data(content.getvalue(), *name.split(":"))
    return name


def redis_service(image: str) -> dict[str, Any]:
    """Redis as Pigsty's app and the official compose file bundle it."""
    words = ["redis-server", "--requirepass", PASSWORD, "--bind", "0.0.0.0"]  # noqa: S104
    return {
        "image": image,
        "entrypoint": [f"/usr/bin/{words[0]}"],
        "command": [*words[1:], "--save", ""],
        "working_dir": "/tmp",
        "volumes": ["/usr:/usr:ro", "/etc:/etc:ro"],
        "tmpfs": ["/tmp"],
        "restart": "always",
        "networks": ["default"],
    }


def settings_there(site: Site, **more: str) -> dict[str, str]:
    """The `.env` of the other Dify: Redis is the bundled one, with its published password."""
    own = env_file.settings(site.environment, site.release, site.secrets)
    redis = {
        "REDIS_HOST": "redis",
        "REDIS_PORT": "6379",
        "REDIS_PASSWORD": PASSWORD,
        "CELERY_BROKER_URL": f"redis://:{PASSWORD}@redis:6379/1",
    }
    return {**own, **redis, **more}


def write_foreign(site: Site, settings: Mapping[str, str], services: Mapping[str, Any]) -> Path:
    """The stack's files as another one's: its own names, no header, no mark of this project."""
    home = site.environment.dify.home
    document: dict[str, Any] = _SAFE.load(home / "compose.yaml")
    document.pop("name")
    document["services"] |= services
    for service in document["services"].values():
        service.pop("labels", None)
    for name in ("compose.yaml", "compose.yaml.previous", RELEASE, ".env.previous"):
        (home / name).unlink(missing_ok=True)
    with (home / YAML_FILE).open("w") as file:
        YAML().dump(document, file)
    text = env_file.render(settings).removeprefix(env_file.HEADER)
    (home / ".env").write_text(text)
    return home


def compose(site: Site, *words: str) -> None:
    project = site.environment.dify.project
    own = [*compose_prefix(site.node), "--project-name", project, "--file", YAML_FILE]
    argv = [*own, *words]
    subprocess.run(argv, cwd=site.environment.dify.home, check=True, capture_output=True)


def require_serving(site: Site) -> None:
    """The other Dify has started, and reads its database."""
    project = site.environment.dify.project
    origin = Origin(project, tuple(Stacks(site.node).members(project)))
    url = f"http://{origin.address('api')}:{API_PORT}"

    def serves() -> bool:
        with suppress(DifyError), Dify(url, site.release.api) as client:
            return client.status().set_up
        return False

    assert until(serves, within_s=180, every_s=1)


@contextmanager
def recipe(make_site: Any, repository: Path, image: str) -> Generator[Site]:
    """A Dify as Pigsty's app has it: PostgreSQL of the machine, Redis in a container of its own.

    The site is that of its places, as the test knows them; its files are another one's.
    """
    with in_use(make_site, repository) as site:
        down(site)
        nginx.stop(site)
        write_foreign(site, settings_there(site), {"redis": redis_service(image)})
        compose(site, "up", "--detach")
        require_serving(site)
        try:
            yield site
        finally:
            compose(site, "down", "--volumes")
            (site.environment.dify.home / YAML_FILE).unlink()


@contextmanager
def taker(make_site: Any, there: Site, **sections: Mapping[str, Any]) -> Generator[Site]:
    """An environment that is to take it over; nothing of it was ever deployed."""
    own = there.environment
    site: Site = make_site(
        "own",
        postgres={"host": stack.BRIDGE},
        redis={"host": stack.BRIDGE},
        dify={
            "release": RELEASE_THERE,
            "subnet": free_subnet(),
            "admin_email": own.dify.admin_email,
        },
        images={"source": "rehearsal"},
        secrets={"admin_password": there.secret("admin_password")},
        **sections,
    )
    try:
        yield site
    finally:
        down(site)
        nginx.stop(site)
