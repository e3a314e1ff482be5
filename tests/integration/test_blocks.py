"""Blocks on a real Prefect server: their types in its pages, and blocks from a file."""

import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect
from prefect.blocks.core import Block
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from pydantic import SecretStr

from blocks import secrets as saved
from blocks.login import Login
from blocks.logins import RedisLogin
from blocks.repository import BackupRepository
from blocks.ssh_key import SshKey
from clients.command import Command
from clients.node import LocalNode, NodeRefused
from config.environment import Environment
from config.errors import ConfigError, RolloutError
from config.load import ROOT, load_environment, load_release
from tasks.core.open_node import open_node
from tasks.core.secrets import open_secrets
from tasks.core.step import converge
from tasks.server.block_files import Blocks, read
from tasks.server.block_types import BlockTypes
from tasks.server.pages import pages
from tasks.server.pool import Pool
from tasks.server.setup import BLOCKS
from tests.browser import chromium
from tests.integration.sshd import SshServer

SECRET = "s3cr3t-w0rd"
FILE = f"""
[login.quay-robot]
username = "robot"
password = "{SECRET}"

[secret.redis]
value = "{SECRET}"

[slack-webhook.ops]
url = "https://hooks.example.com/{SECRET}"

[ssh-key.prod]
private_key = "{SECRET}"
"""


@pytest.fixture(scope="module")
def prefect(prefect: str) -> Generator[str]:
    """A server that was set up."""
    with get_client(sync_client=True) as client:
        converge(pages())
        converge(BlockTypes(client, BLOCKS))
        again = [converge(step).changes for step in (pages(), BlockTypes(client, BLOCKS))]
        assert again == [(), ()]
        yield prefect


@pytest.mark.parametrize("kind", BLOCKS, ids=lambda kind: str(kind.__name__))
def test_a_type_has_an_icon_a_guide_a_description_and_an_example(
    prefect: str, kind: type[Block]
) -> None:
    slug = kind.get_block_type_slug()
    found: dict[str, str] = httpx.get(f"{prefect}/block_types/slug/{slug}").json()
    icon, guide = httpx.get(found["logo_url"]), httpx.get(found["documentation_url"])
    assert icon.headers["content-type"] == "image/svg+xml"
    assert "<svg" in icon.text
    assert guide.text.startswith("# Secrets and connections")
    assert found["description"] and "```" in found["code_example"]


def test_saving_a_block_leaves_its_types_icon(prefect: str) -> None:
    Login(username="a", password=SecretStr("b")).save("anew", overwrite=True)
    with get_client(sync_client=True) as client:
        assert converge(BlockTypes(client, BLOCKS), dry_run=True).changes == ()


def test_the_catalogue_shows_icons_and_a_form_whose_secret_nobody_reads_again(
    prefect: str,
) -> None:
    base = prefect.removesuffix("/api")
    with chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(60_000)
        page.goto(f"{base}/blocks/catalog")
        page.get_by_placeholder("Search blocks").fill("redis login")
        icon = page.locator(f'img[src="{base}/dify-rollout/redis.svg"]').first
        expect(icon).to_be_visible(timeout=60_000)
        assert icon.evaluate("image => image.naturalWidth") > 0
        page.goto(f"{base}/blocks/catalog/redis-login/create")
        expect(page.locator("body")).to_contain_text("What requirepass says", timeout=60_000)
        page.locator("input").first.fill("typed")
        page.locator("textarea").first.fill(SECRET)
        page.get_by_role("button", name="Create").click()
        page.wait_for_url("**/blocks/block/**")
        expect(page.locator("body")).to_contain_text("typed")
        page.reload()
        expect(page.locator("body")).to_contain_text("typed", timeout=60_000)
        assert SECRET not in page.content()
    typed: Any = RedisLogin.load("typed")
    assert typed.password.get_secret_value() == SECRET


def test_blocks_come_from_a_file_once(prefect: str, tmp_path: Path) -> None:
    file = tmp_path / "blocks.toml"
    file.write_text(FILE)
    file.chmod(0o600)
    done = converge(Blocks(read(file)))
    assert [change.what for change in done.changes] == [
        "create block login/quay-robot",
        "create block secret/redis",
        "create block slack-webhook/ops",
        "create block ssh-key/prod",
    ]
    assert converge(Blocks(read(file))).changes == ()
    file.write_text(FILE.replace(f'password = "{SECRET}"', 'password = "another"'))
    [change] = converge(Blocks(read(file))).changes
    assert change.what == "change password of block login/quay-robot"
    assert SECRET not in repr(done) + repr(change)
    robot: Any = Login.load("quay-robot")
    assert robot.password.get_secret_value() == "another"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"[login.robot]\nusername = 'x'\npasword = '{SECRET}'", "login.robot: pasword unknown; "),
        (f"[login.robot]\npassword = '{SECRET}'", "login.robot.username: Field required"),
        (f"[logn.robot]\npassword = '{SECRET}'", "logn.robot: no such type of block"),
        (f"[login.Robot_1]\npassword = '{SECRET}'", "expected a name of lower-case letters"),
        (f"[login]\nrobot = '{SECRET}'", "login.robot: expected a table, like [login.robot]"),
        (f"login = '{SECRET}'", "login: expected a table, like [login.name]"),
        (f"[login.robot]\npassword = {SECRET}", "not TOML (at line 2, column 12)"),
    ],
)
def test_a_wrong_file_is_told_without_its_values(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "blocks.toml"
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(ConfigError) as refused:
        read(file)
    assert said in str(refused.value)
    assert str(file) in str(refused.value)
    assert SECRET not in str(refused.value)


def test_a_file_open_to_others_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "blocks.toml"
    file.write_text(FILE)
    file.chmod(0o644)
    with pytest.raises(RolloutError, match=r"mode is 0644; expected: chmod 600"):
        read(file)


def _environment(tmp_path: Path, **sources: str) -> Environment:
    tree = load_environment("prod").model_dump()
    tree["name"] = "of-the-test"
    tree["dify"]["home"] = tmp_path / "stack"
    tree["secrets"]["sources"] = sources
    return Environment.model_validate(tree)


def test_a_source_comes_first_and_is_kept_nowhere_else(
    prefect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Source, block, machine, new: the first that has it."""
    release = load_release("1.15.0")
    saved.save("of-the-test", {"secret_key": SecretStr("of the block")})
    (tmp_path / "stack").mkdir()
    (tmp_path / "stack" / ".env").write_text(
        "DB_PASSWORD=of-the-machine\nREDIS_PASSWORD=of-the-machine\n"
    )
    RedisLogin(password=SecretStr("of another block")).save("given", overwrite=True)
    monkeypatch.setenv("GIVEN", "of the environment")
    environment = _environment(
        tmp_path, redis_password="block:redis-login/given.password", admin_password="env:GIVEN"
    )
    values = open_secrets(environment, release, LocalNode(), save=True)
    clear = {name: value.get_secret_value() for name, value in values.items()}
    assert clear["redis_password"] == "of another block"
    assert clear["admin_password"] == "of the environment"
    assert clear["secret_key"] == "of the block"
    assert clear["postgres_password"] == "of-the-machine"
    assert set(release.secrets) <= set(values)
    kept = saved.load("of-the-test").values
    assert set(kept) == set(values) - {"redis_password", "admin_password"}
    assert open_secrets(environment, release, LocalNode(), save=True) == values


@pytest.mark.parametrize("source", ["redis-login/given.password", "secret/given.value"])
def test_a_process_that_knows_no_types_yet_reads_a_field(prefect: str, source: str) -> None:
    RedisLogin(password=SecretStr(SECRET)).save("given", overwrite=True)
    Secret(value=SecretStr(SECRET)).save("given", overwrite=True)
    words = (
        f"from blocks.sources import read; print(read('k', 'block:{source}').get_secret_value())"
    )
    variables = {**os.environ, "PREFECT_API_URL": prefect}
    done = subprocess.run(
        [sys.executable, "-c", words], env=variables, cwd=ROOT, capture_output=True
    )
    assert done.stdout.decode() == f"{SECRET}\n", done.stderr.decode()


def test_a_field_that_a_block_does_not_have_is_told(prefect: str, tmp_path: Path) -> None:
    release = load_release("1.15.0")
    for source, said in {
        "block:redis-login/none.password": "no such Prefect block",
        "block:redis-login/given.pasword": "the block has no text of that name",
    }.items():
        environment = _environment(tmp_path, redis_password=source)
        with pytest.raises(RolloutError, match=said):
            open_secrets(environment, release, LocalNode(), save=False)


def test_a_key_of_a_block_opens_a_machine(prefect: str, ssh_server: SshServer) -> None:
    """The client's own configuration knows neither the key nor the machine."""
    host = f"root@127.0.0.1:{ssh_server.port}"
    key = (ssh_server.folder / "key").read_text()
    known = (ssh_server.folder / "known_hosts").read_text()
    good = SshKey(private_key=SecretStr(key), known_hosts=known)
    assert good.check(f"ssh://{host}") == f"ssh://{host} runs our commands as root"
    stranger = SshKey(
        private_key=SecretStr((ssh_server.folder / "other").read_text()), known_hosts=known
    )
    with pytest.raises(NodeRefused, match="it does not accept our key"):
        stranger.check(f"ssh://{host}")
    changed = SshKey(
        private_key=SecretStr(key), known_hosts=(ssh_server.folder / "other_hosts").read_text()
    )
    with pytest.raises(NodeRefused, match="its host key is not the one that is known"):
        changed.check(f"ssh://{host}")
    good.save("lab", overwrite=True)
    nodes = load_environment("prod").nodes.model_copy(
        update={"dify": [f"ssh://{host}"], "ssh_key": "lab"}
    )
    node = open_node(nodes, nodes.dify[0])
    assert node.run(Command(("id", "-un"))) == "root\n"
    with pytest.raises(RolloutError, match=r"nodes\.ssh_key: no Prefect block ssh-key/none"):
        open_node(nodes.model_copy(update={"ssh_key": "none"}), nodes.dify[0])
    backup = load_environment("prod").backup.model_copy(update={"ssh_key": "lab"})
    assert BackupRepository(password=SecretStr("p")).tool(backup).identity == good.identity
    with pytest.raises(RolloutError, match=r"backup\.ssh_key: no Prefect block ssh-key/none"):
        BackupRepository(password=SecretStr("p")).tool(
            backup.model_copy(update={"ssh_key": "none"})
        )


def test_a_pool_that_a_worker_has_made_meanwhile_gets_its_template(prefect: str) -> None:
    with get_client(sync_client=True) as client:
        pool = Pool(client, "of-a-worker")
        [create] = pool.plan(pool.observe())
        client.create_work_pool(WorkPoolCreate(name="of-a-worker", type="process"))
        pool.apply(create)
        assert pool.plan(pool.observe()) == []
