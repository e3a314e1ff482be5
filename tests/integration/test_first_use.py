"""Another Dify where an environment's would be: it is named, and nothing of it is touched."""

import io
import tarfile
import uuid
from collections.abc import Generator
from pathlib import Path
from typing import Any

import docker
import pytest
from pydantic import SecretStr

from clients.docker import Docker
from config.desired import compose, env_file
from config.environment import Environment
from config.errors import StepError
from config.load import load_environment, load_release
from config.secrets import POSTGRES_ADMIN, generate
from tasks.core import release_file, secret_file
from tasks.core.first_use import require_unused
from tasks.core.owner_mark import STACK, require_own
from tasks.core.project_owner import other_folder, require_own_project
from tasks.core.secrets import open_secrets, require_private
from tasks.core.site import Site
from tasks.core.step import Blocked, converge
from tasks.platforms.sandbox.redis import server_steps
from tasks.steps.compose import Stack
from tasks.steps.containers import down
from tasks.steps.redis import dify_redis

PUBLIC = "SECRET_KEY=sk-9f73s3ljTXVcMT3Blb3ljTqtsKiGHXVcMT3BlbkFJLK7U\n"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """An external environment without an administrator, whose places are in the test's folder."""
    tree = load_environment("staging").model_dump()
    tree["platform"]["kind"] = "external"
    project = f"dify-first-{uuid.uuid4().hex[:8]}"
    tree["dify"] |= {"home": tmp_path / "home", "data": tmp_path / "data", "project": project}
    environment = Environment.model_validate(tree)
    return Site(environment, load_release(environment.dify.release), {})


def place(site: Site, name: str, text: str) -> None:
    home = site.environment.dify.home
    home.mkdir(exist_ok=True)
    (home / name).write_text(text)


@pytest.mark.parametrize("name", STACK)
def test_files_of_another_stack_are_named_and_left(site: Site, tmp_path: Path, name: str) -> None:
    place(site, name, PUBLIC)
    before = contents(tmp_path)
    with pytest.raises(StepError) as refused:
        require_own(site.environment, site.node)
    assert f"{site.environment.dify.home} has {name} of a Dify" in refused.value.cause
    assert refused.value.step == "dify.home"
    assert "set dify.home, dify.data and dify.project of staging" in refused.value.advice
    assert "rollout adopt staging" in refused.value.advice
    assert contents(tmp_path) == before


@pytest.mark.parametrize("header", [env_file.HEADER, compose.HEADER])
def test_a_stack_brought_back_by_hand_is_the_environments_own(site: Site, header: str) -> None:
    """From a recovery kit: the files of a restore point, and no release.json."""
    place(site, "compose.yaml", header)
    place(site, ".env", "SECRET_KEY=of-its-own\n")
    require_own(site.environment, site.node)
    require_unused(site)


def test_a_file_edited_by_hand_beside_release_json_is_the_environments_own(site: Site) -> None:
    place(site, ".env", "A=b\n")
    release_file.update(site.environment, site.node, version="1.16.1")
    require_own(site.environment, site.node)


def test_empty_places_are_nobodys(site: Site) -> None:
    require_own(site.environment, site.node)
    require_unused(site)
    (site.environment.dify.data / "app" / "storage").mkdir(parents=True)
    require_unused(site)


def test_files_of_another_dify_are_named_until_its_key_is_given(site: Site) -> None:
    upload = site.environment.dify.data / "app" / "upload"
    upload.parent.mkdir(parents=True)
    upload.write_text("x")
    with pytest.raises(StepError) as refused:
        require_unused(site)
    assert "dify.data: has files, like app/upload" in refused.value.cause
    assert "rollout secrets staging secret_key --set" in refused.value.advice
    values = {"redis_password": SecretStr("r" * 32)}
    secret_file.update(site.environment, site.node, values=values)
    with pytest.raises(StepError):
        require_unused(site)
    secret_file.update(site.environment, site.node, values={"secret_key": SecretStr("k" * 32)})
    require_unused(site)


def test_a_redis_that_somebody_uses_is_named_and_left(
    site: Site, sandbox_site: Any, tmp_path: Path
) -> None:
    server = sandbox_site()
    for step in server_steps(server):
        converge(step)
    there = server.environment.redis
    tree = site.environment.model_dump()
    tree["redis"] |= {"host": there.host, "port": there.port}
    own = Site(Environment.model_validate(tree), site.release, {})
    secret_file.update(
        own.environment, own.node, values={"redis_password": server.secrets["redis_password"]}
    )
    require_unused(own)
    with dify_redis(server, broker=True).client() as client:
        client.lpush("dataset", "a job")
    with pytest.raises(StepError) as refused:
        require_unused(own)
    place = f"{there.broker_database} on {there.host}:{there.port}"
    assert f"redis.broker_database: {place} has 1 keys" in refused.value.cause
    with dify_redis(server, broker=True).client() as client:
        assert client.llen("dataset") == 1


def test_a_published_key_is_refused_wherever_it_comes_from(site: Site) -> None:
    place(site, "release.json", "{}")
    place(site, ".env", PUBLIC)
    with pytest.raises(StepError, match="secret_key of staging: the default of a file") as refused:
        open_secrets(site.environment, site.release, site.node, save=True)
    assert "sk-9f73" not in str(refused.value)
    assert not secret_file.path(site.environment).exists()


def test_a_login_of_somebody_elses_server_is_theirs_to_change(site: Site) -> None:
    known = SecretStr("DBUser.DBA")
    require_private(site.environment, site.release, {POSTGRES_ADMIN: known})
    with pytest.raises(StepError, match="postgres_password of staging"):
        require_private(site.environment, site.release, {"postgres_password": known})


@pytest.fixture
def neighbour(site: Site, tmp_path: Path) -> Generator[Any]:
    """A container of a stack of the same name in another folder; it was never started."""
    engine = docker.from_env()
    empty = io.BytesIO()
    tarfile.open(fileobj=empty, mode="w").close()
    image = f"dify-first-use:{uuid.uuid4().hex[:8]}"
    engine.api.import_image_from_data(empty.getvalue(), *image.split(":"))
    labels = {
        "com.docker.compose.project": site.environment.dify.project,
        "com.docker.compose.project.working_dir": str(tmp_path / "elsewhere"),
        "com.docker.compose.service": "api",
        "com.docker.compose.oneoff": "False",
    }
    container = engine.containers.create(image, ["true"], labels=labels)
    yield container
    container.remove(force=True)
    engine.images.remove(image)


def test_containers_of_another_stack_are_neither_replaced_nor_removed(
    site: Site, tmp_path: Path, neighbour: Any
) -> None:
    elsewhere = str(tmp_path / "elsewhere")
    found = Docker().containers(site.environment.dify.project)
    assert other_folder(site, found) == elsewhere
    [blocked] = Stack(site).plan(Stack(full(site)).observe())
    assert isinstance(blocked, Blocked)
    assert f"is another stack's, of {elsewhere}" in blocked.why
    for refuse in (lambda: down(site), lambda: require_own_project(site, found)):
        with pytest.raises(StepError, match="is another stack's"):
            refuse()
    neighbour.reload()
    assert neighbour.status == "created"


def test_a_stack_that_has_moved_is_the_environments_own(
    site: Site, tmp_path: Path, neighbour: Any
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "release.json").write_text('{"environment": "staging"}')
    found = Docker().containers(site.environment.dify.project)
    assert other_folder(site, found) == ""


def full(site: Site) -> Site:
    return site.replace(secrets=generate(site.release, {}))
