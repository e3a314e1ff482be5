"""Every kind of connection against the real thing: let in, refused, and nobody there."""

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock, SlackWebhook
from pydantic import SecretStr

from blocks import repository as saved
from blocks import secrets
from blocks.login import Login
from blocks.logins import ObjectStoreKeys, PostgresLogin, RedisLogin
from config.environment import Environment
from config.errors import RolloutError
from config.rules.finding import Finding
from tasks.core.secrets import known_secrets
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.probes.connections.all import connections, probes
from tasks.probes.connections.connection import State, state
from tasks.probes.engine import ask_all
from tasks.steps.table import PARTS
from tests.integration import squid
from tests.integration.images import conftest as registries
from tests.integration.sshd import SshServer
from tests.ports import free_ports
from tests.serving import serving

RCLONE = Path(sys.executable).parent / "rclone"
KEY, SECRET = "ACCESSKEYOFTHETEST", 'p@ss "w\'ord" \\n $HOME %2F #x'
WRONG = "a wr0ng secret"


class Listener(ThreadingHTTPServer):
    """A webhook: keeps what it gets, or refuses it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Hook)
        self.told: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Hook(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        said = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if "refuse" in self.path:
            self.send_error(403)
            return
        self.server.told.append(said)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def serving_s3(folder: Path) -> Generator[str]:
    for name in ("dify-files", "dify-plugins"):
        (folder / name).mkdir()
    (port,) = free_ports(1)
    words = ("serve", "s3", str(folder), "--addr", f"127.0.0.1:{port}")
    command = [RCLONE, *words, "--auth-key", f"{KEY},{SECRET}"]
    with serving(command, stderr=subprocess.DEVNULL):
        deadline = time.monotonic() + 20
        while not registries._connects("127.0.0.1", port):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"


class World:
    """Everything an environment can connect to, and the environment that names all of it."""

    def __init__(self, base: Site, folder: Path, stack: ExitStack) -> None:
        (port,) = free_ports(1)
        self.base = base
        self.folder = folder
        self.store = stack.enter_context(serving_s3(folder))
        self.registry = stack.enter_context(
            registries.serve_registry(folder / "registry", login=True)
        )
        self.mirror = stack.enter_context(registries.serve_registry(folder / "mirror"))
        self.proxy, _ = stack.enter_context(squid.serve_squid(port))
        self.hook = stack.enter_context(Listener())
        threading.Thread(target=self.hook.serve_forever, daemon=True).start()
        stack.callback(self.hook.shutdown)
        self.recipient = _age_key(folder)
        Login(username=registries.USER, password=SecretStr(registries.PASSWORD)).save("robot")
        Login(username=squid.USER, password=SecretStr(squid.PASSWORD)).save("office-proxy")
        for name, user in (("impostor", registries.USER), ("stranger", "nobody")):
            Login(username=user, password=SecretStr(WRONG)).save(name)
        for name, path in (("ops", "/"), ("deaf", f"/refuse/{WRONG}")):
            CustomWebhookNotificationBlock(
                name=name, url=self.hook.url + path, json_data={"said": "{{subject}}: {{body}}"}
            ).save(name)
        SlackWebhook(url=SecretStr(f"http://127.0.0.1:1/{WRONG}")).save("away")

    def site(self, given: Mapping[str, str] = {}, /, **sections: Mapping[str, Any]) -> Site:
        """The environment that names everything, with other keys and secrets where given."""
        tree = self.base.environment.model_dump()
        named: dict[str, dict[str, Any]] = {
            "storage": {
                "kind": "s3",
                "endpoint": self.store,
                "bucket": "dify-files",
                "plugin_bucket": "dify-plugins",
            },
            "images": {
                "source": "registry",
                "registries": [self.registry, self.mirror],
                "logins": {self.registry: "robot"},
            },
            "docker": {"proxy": self.proxy, "proxy_login": "office-proxy"},
            "backup": {
                "repository": str(self.folder / "points"),
                "recipients": [self.recipient],
            },
            "health": {"notify": ["custom-webhook/ops"]},
        }
        for layer in (named, sections):
            for name, values in layer.items():
                tree[name] = {**tree[name], **values}
        known = {
            **self.base.secrets,
            "s3_access_key": SecretStr(KEY),
            "s3_secret_key": SecretStr(SECRET),
            **{name: SecretStr(value) for name, value in given.items()},
        }
        environment = Environment.model_validate(tree)
        return Site(environment, self.base.release, known)

    def ask(
        self, key: str, given: Mapping[str, str] = {}, /, **sections: Mapping[str, Any]
    ) -> Finding:
        """How the connection of that key stands; never a secret."""
        named = probes(self.site(given, **sections))
        [answer] = ask_all([each for each in named if each.name == key], patience=1)
        text = repr(answer)
        for secret in (WRONG, SECRET, squid.PASSWORD, registries.PASSWORD):
            assert secret not in text
        return answer


def _age_key(folder: Path) -> str:
    words = ["age-keygen", "-o", str(folder / "age.key")]
    said = subprocess.run(words, check=True, capture_output=True, text=True).stderr
    return said.split()[-1]


@pytest.fixture(scope="module")
def world(
    prefect: None, module_sandbox_site: Any, tmp_path_factory: pytest.TempPathFactory
) -> Generator[World]:
    base: Site = module_sandbox_site()
    for step in [*PARTS["pgsql"](base), *PARTS["redis"](base)]:
        converge(step)
    with ExitStack() as stack:
        yield World(base, tmp_path_factory.mktemp("world"), stack)


def test_everything_lets_us_in(world: World) -> None:
    site = world.site()
    (world.folder / "points").mkdir()
    access = saved.new()
    saved.save(site.name, access.model_copy(update={"initialised": str(world.folder / "points")}))
    words = ["restic", "init", "--repo", str(world.folder / "points")]
    password = {"RESTIC_PASSWORD": access.password.get_secret_value(), "PATH": "/usr/bin:/bin"}
    subprocess.run(words, env=password, check=True, capture_output=True)
    answers = connections(site)
    assert [str(each) for each in answers if state(each) is not State.OK] == []
    assert [(each.group, each.probe) for each in answers] == [
        ("node", "nodes.dify"),
        ("Dify secrets", "secrets"),
        ("PostgreSQL", "postgres.database"),
        ("PostgreSQL", "postgres.plugin_database"),
        ("Redis", "redis.database"),
        ("Redis", "redis.broker_database"),
        ("proxy", "docker.proxy"),
        ("registry", f"images.logins.{world.registry}"),
        ("registry", "images.registries"),
        ("images", "dify.release"),
        ("object store", "storage.bucket"),
        ("object store", "storage.plugin_bucket"),
        ("backup repository", "backup.repository"),
        ("age recipient", "backup.recipients.0"),
        ("notification", "health.notify"),
    ]
    assert [json.loads(said)["said"] for said in world.hook.told] == [
        "sandbox: a check: Somebody checked this connection; nothing is wrong."
    ]


def test_asking_changes_nothing(world: World) -> None:
    before = sorted(str(path) for path in world.folder.rglob("*") if "registry" not in str(path))
    connections(world.site())
    after = sorted(str(path) for path in world.folder.rglob("*") if "registry" not in str(path))
    assert after == before


CLOSED = "127.0.0.1:1"
REFUSED = [
    ("postgres.database", {"postgres_password": WRONG}, {},
     "PostgreSQL refuses dbuser_dify@127.0.0.1:.*: password authentication failed"),
    ("postgres.database", {}, {"postgres": {"database": "another"}},
     'no pg_hba.conf entry .* database "another"'),
    ("postgres.database", {}, {"postgres": {"port": 1}},
     "PostgreSQL at 127.0.0.1:1 does not answer: .*refused"),
    ("redis.database", {"redis_password": WRONG}, {}, "Redis refuses .*WRONGPASS|invalid"),
    ("redis.database", {}, {"redis": {"port": 1}}, "Redis at 127.0.0.1:1/0 does not answer"),
    ("docker.proxy", {}, {"docker": {"proxy_login": "stranger"}},
     "the proxy http.* does not take the login of nobody"),
    ("docker.proxy", {}, {"docker": {"proxy_login": ""}},
     "the proxy http.* does not take us without a login"),
    ("docker.proxy", {}, {"docker": {"proxy": f"http://{CLOSED}"}},
     f"no way to .* through http://{CLOSED}: "),
    ("docker.proxy", {}, {"docker": {"proxy_login": "not-there"}},
     "docker.proxy_login: no Prefect block login/not-there"),
    ("images.registries", {}, {"images": {"registries": [CLOSED], "logins": {}}},
     f"{CLOSED} does not answer as a registry: "),
    ("storage.bucket", {"s3_secret_key": WRONG}, {},
     "the object store refuses dify-files at http.*: SignatureDoesNotMatch"),
    ("storage.bucket", {"s3_access_key": "UNKNOWN"}, {}, "InvalidAccessKeyId"),
    ("storage.bucket", {}, {"storage": {"bucket": "no-such-bucket"}}, "NoSuchBucket"),
    ("storage.bucket", {}, {"storage": {"endpoint": f"http://{CLOSED}"}},
     f"dify-files at http://{CLOSED} does not answer: "),
    ("backup.recipients.0", {}, {"backup": {"recipients": ["age1" + "q" * 58]}},
     "age does not encrypt to this key: .*"),
    ("health.notify", {}, {"health": {"notify": ["custom-webhook/deaf"]}},
     "custom-webhook/deaf took no message: HTTP status 403"),
    ("health.notify", {}, {"health": {"notify": ["slack-webhook/away"]}},
     "slack-webhook/away took no message: nobody answers at its address"),
    ("health.notify", {}, {"health": {"notify": ["slack-webhook/none"]}},
     "no Prefect block slack-webhook/none; create it in the UI under Blocks"),
    ("health.notify", {}, {"health": {"notify": ["login/robot"]}},
     "the Prefect block login/robot notifies nobody"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "given", "sections", "said"), REFUSED)
def test_what_is_wrong_is_told_in_one_sentence(
    world: World, key: str, given: dict[str, str], sections: dict[str, Any], said: str
) -> None:
    answer = world.ask(key, given, **sections)
    assert state(answer) is State.FAILED
    assert "\n" not in answer.said
    assert re.search(said, answer.said), answer.said


@pytest.mark.parametrize("engine", [True, False], ids=["by-the-engine", "before-there-is-one"])
def test_a_registry_takes_only_its_own_login(
    world: World, engine: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not engine:
        monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    key = f"images.logins.{world.registry}"
    assert state(world.ask(key)) is State.OK
    wrong = world.ask(key, images={"logins": {world.registry: "impostor"}})
    assert state(wrong) is State.FAILED
    assert "robot" in wrong.said and "401" in wrong.said
    nobody = world.ask("images.registries", images={"registries": [world.registry], "logins": {}})
    assert nobody.said == f"{world.registry} does not let everybody in: 401"


def test_a_repository_that_is_gone_fails_and_one_that_was_never_made_waits(world: World) -> None:
    elsewhere = str(world.folder / "elsewhere")
    first = world.ask("backup.repository", backup={"repository": elsewhere})
    assert state(first) is State.LATER
    assert first.said.startswith("the first backup makes it; now: no repository answers at")
    access = saved.new()
    saved.save(world.base.name, access.model_copy(update={"initialised": elsewhere}))
    gone = world.ask("backup.repository", backup={"repository": elsewhere})
    assert state(gone) is State.FAILED
    assert "no repository answers at" in gone.said
    locked = world.ask("backup.repository")
    assert state(locked) is State.FAILED
    assert "does not open with the saved password" in locked.said


def test_what_nobody_gave_yet_is_not_asked_for(world: World) -> None:
    site = world.site()
    fresh = Site(site.environment, site.release, {})
    states = {each.probe: (state(each), each.said) for each in connections(fresh)}
    assert states["postgres.database"] == (State.LATER, "postgres_password is not known yet")
    assert states["redis.database"] == (State.LATER, "redis_password is not known yet")
    assert states["storage.bucket"] == (State.LATER, "s3_access_key, s3_secret_key not given")
    stands, said = states["secrets"]
    assert stands is State.FAILED
    assert said.startswith("s3_access_key, s3_secret_key not given; rollout secrets sandbox")


@pytest.mark.parametrize(
    ("alias", "stands", "said"),
    [
        ("node", State.OK, "runs our commands as root"),
        ("stranger", State.FAILED, "stranger: it does not accept our key: "),
        ("unknown", State.FAILED, "unknown: its host key is not known: "),
        ("changed", State.FAILED, "changed: its host key is not the one that is known: "),
        ("closed", State.FAILED, "closed cannot be reached: "),
    ],
)
def test_a_machine_is_asked_over_ssh(
    world: World, ssh_server: SshServer, alias: str, stands: State, said: str
) -> None:
    answer = world.ask(
        "nodes.dify",
        platform={"kind": "external"},
        nodes={"dify": [alias], "ssh_config": ssh_server.config},
    )
    assert (state(answer), answer.where) == (stands, alias)
    assert answer.said.startswith(said)
    assert "\n" not in answer.said


def test_the_administrator_of_a_given_postgresql_is_asked_too(world: World) -> None:
    answer = world.ask(
        "postgres.admin",
        {"postgres_admin_password": WRONG},
        platform={"kind": "external"},
        postgres={"admin": "dbuser_admin"},
    )
    assert state(answer) is State.FAILED
    assert answer.said.startswith("PostgreSQL refuses dbuser_admin@127.0.0.1:")


def test_each_block_checks_itself(world: World) -> None:
    site = world.site()
    named, known = site.environment, site.secrets
    password = PostgresLogin(password=known["postgres_password"])
    keys = ObjectStoreKeys(access_key=SecretStr(KEY), secret_key=SecretStr(SECRET))
    assert "lets dbuser_dify into dify" in password.check(named.postgres)
    assert "Redis lets us" in RedisLogin(password=known["redis_password"]).check(named.redis)
    assert "can be listed" in keys.check(named.storage)
    target = f"http://{world.mirror}/v2/"
    proxy: Any = Login.load("office-proxy")
    assert "answers through it" in proxy.check_proxy(world.proxy, target)
    robot: Any = Login.load("robot")
    assert robot.check_registry(world.registry) == "lets robot in"


def test_each_block_tells_what_is_wrong_with_itself(world: World) -> None:
    named, wrong = world.site().environment, SecretStr(WRONG)
    impostor: Any = Login.load("impostor")
    broken = [
        lambda: PostgresLogin(password=wrong).check(named.postgres),
        lambda: RedisLogin(password=wrong).check(named.redis),
        lambda: ObjectStoreKeys(access_key=wrong, secret_key=wrong).check(named.storage),
        lambda: impostor.check_registry(world.registry),
        lambda: impostor.check_proxy(world.proxy, f"http://{world.mirror}/v2/"),
    ]
    for check in broken:
        with pytest.raises(RolloutError) as refused:
            check()
        assert WRONG not in str(refused.value)
        assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"PREFECT_TEST": WRONG}, "PostgreSQL refuses .*: password authentication failed"),
        ({}, "postgres_password is not known yet"),
    ],
)
def test_a_source_comes_before_what_is_saved(
    world: World, given: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    secrets.save(world.base.name, world.base.secrets)
    sources = {"sources": {"postgres_password": "env:PREFECT_TEST"}}
    environment = world.site({}, secrets=sources).environment
    known = known_secrets(environment, world.base.release, world.base.node)
    site = Site(environment, world.base.release, known)
    answers = {each.probe: each for each in connections(site)}
    assert re.search(said, answers["postgres.database"].said)
    if not given:
        assert answers["secrets"].said.startswith(
            "secrets.sources.postgres_password: env:PREFECT_TEST: no such variable here"
        )
