"""Difys that somebody else set up, in containers of their own compose file, and their adoption."""

import io
import subprocess
import tarfile
import uuid
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
import pytest
from ruamel.yaml import YAML

from clients.docker_stacks import Member, Stacks
from clients.waiting import until
from config.desired import env_file
from flows.parts.adopting import Adopting
from flows.parts.graph import Graph
from tasks.adoption import plan
from tasks.adoption.facts import answers, open_api
from tasks.adoption.origin import Origin
from tasks.core.release_file import RELEASE
from tasks.core.site import Site
from tasks.platforms.sandbox import nginx, postgres
from tasks.platforms.sandbox.postgres_layout import layout
from tasks.steps.containers import down
from tasks.steps.docker import compose_prefix
from tests.integration import stack
from tests.integration.upgrading import in_use, state
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
    """The other Dify has started."""
    origin = Origin(site.environment.dify.project, ())
    asked = lambda: answers(site, replace(origin, members=members(site)))  # noqa: E731
    assert until(asked, within_s=180, every_s=1)


def members(site: Site) -> tuple[Member, ...]:
    return tuple(Stacks(site.node).members(site.environment.dify.project))


@contextmanager
def recipe(make_site: Any, repository: Path, image: str, **more: Any) -> Generator[Site]:
    """A Dify as Pigsty's app has it: PostgreSQL of the machine, Redis in a container of its own.

    The site is that of its places, as the test knows them; its files are another one's.
    """
    with in_use(make_site, repository, **more) as site:
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


def postgres_service(site: Site, image: str) -> dict[str, Any]:
    """The sandbox's server in a container, with its data directory in a folder."""
    place = layout(site)
    owner = place.data.stat()
    options = {"listen_addresses": "*", "port": "5432", "unix_socket_directories": ""}
    words = [word for key, value in options.items() for word in ("-c", f"{key}={value}")]
    return {
        "image": image,
        "user": f"{owner.st_uid}:{owner.st_gid}",
        "entrypoint": [str(place.programs / "bin" / "postgres")],
        "command": ["-D", str(place.data), *words],
        "volumes": ["/usr:/usr:ro", "/etc:/etc:ro", f"{place.root}:{place.root}"],
        "tmpfs": ["/tmp"],
        "restart": "always",
        "networks": ["default"],
    }


@contextmanager
def official(
    make_site: Any, repository: Path, image: str
) -> Generator[tuple[Site, dict[str, Any]]]:
    """A Dify of the official compose file's layout, and what people see of it."""
    with in_use(make_site, repository) as site:
        seen = people_see(site)
        down(site)
        nginx.stop(site)
        postgres.stop(site)
        there = {"DB_HOST": "db_postgres", "DB_PORT": "5432"}
        vectors = {"PGVECTOR_HOST": "db_postgres", "PGVECTOR_PORT": "5432"}
        services = {"redis": redis_service(image), "db_postgres": postgres_service(site, image)}
        write_foreign(site, settings_there(site, **there, **vectors), services)
        compose(site, "up", "--detach")
        require_serving(site)
        try:
            yield site, seen
        finally:
            compose(site, "down", "--volumes")
            (site.environment.dify.home / YAML_FILE).unlink()


@contextmanager
def taker(
    make_site: Any, there: Site, secrets: Mapping[str, str] | None = None, **sections: Any
) -> Generator[Site]:
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
        backup={"repository": str(own.dify.home.parent / "own-points")},
        secrets={"admin_password": there.secret("admin_password"), **(secrets or {})},
        **sections,
    )
    try:
        yield site
    finally:
        down(site)
        nginx.stop(site)


def adoption(site: Site, project: str = "") -> Adopting:
    return Adopting(Graph(site), site, plan.look(site, project))


def states(there: Site) -> dict[str, str]:
    """Service → state of its container."""
    return {each.service: each.state for each in members(there)}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def people_see(site: Site, bucket: Path | None = None) -> dict[str, Any]:
    """Rows, files, schema and what is decrypted, of a Dify with these places."""
    kept = ("rows", "files", "decrypted", "schema")
    found = state(site, bucket)
    return {key: found[key] for key in kept}


def logs_in(there: Site, project: str) -> bool:
    """Whether the administrator gets into the Dify of a project."""
    with open_api(there, Origin(project, members(there))) as client:
        client.login(there.environment.dify.admin_email, there.secret("admin_password"))
        return True  # its cookies are for https alone, so nothing more is asked here


@pytest.fixture(scope="module")
def there(module_sandbox_site: Any, tmp_path_factory: pytest.TempPathFactory) -> Generator[Site]:
    folder = tmp_path_factory.mktemp("points") / "repository"
    with recipe(module_sandbox_site, folder, host_image()) as site:
        yield site


@pytest.fixture(scope="module")
def own(module_sandbox_site: Any, there: Site) -> Generator[Site]:
    with taker(module_sandbox_site, there) as site:
        yield site
