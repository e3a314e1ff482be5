import pytest

from config.errors import ConfigError
from config.load import environment_names, load_environment, load_release, release_names

HOSTS = "postgres.host = '10.0.0.1'\nredis.host = '10.0.0.1'\n"


def refused(folder, name="mine"):
    with pytest.raises(ConfigError) as caught:
        load_environment(name, folder)
    return [problem.replace(f"{folder}/", "") for problem in caught.value.problems]


def test_an_environment_is_added_by_adding_a_file(folder):
    (folder / "mine.toml").write_text(f"{HOSTS}dify.port = 8123\n", encoding="utf-8")
    assert "mine" in environment_names(folder)
    environment = load_environment("mine", folder)
    assert (environment.name, environment.dify.port) == ("mine", 8123)
    assert environment.portal.http_port == 80


def test_unknown_environment_names_those_there_are():
    with pytest.raises(ConfigError) as caught:
        load_environment("nope")
    assert str(caught.value) == (
        "config/environments/nope.toml: no such environment; "
        "expected one of: prod, recipe, sandbox, staging"
    )


def test_a_name_cannot_leave_the_folder(folder):
    assert refused(folder, "../environments/prod")[0].startswith("../environments/prod.toml: no ")


def test_unknown_release_names_those_there_are():
    with pytest.raises(ConfigError) as caught:
        load_release("2.0.0")
    assert str(caught.value) == (
        "config/releases/2.0.0.toml: no such release; expected one of: 0.6.11, 1.13.3, 1.15.0, "
        "1.16.1, 1.17.1"
    )


def test_releases_are_in_order_of_version(tmp_path):
    for name in ("1.9.0", "1.10.0", "0.6.11"):
        (tmp_path / f"{name}.toml").touch()
    assert release_names(tmp_path) == ["0.6.11", "1.9.0", "1.10.0"]


UNKNOWN = [
    ("dify.prot = 's3cret'", "dify.prot: unknown key; did you mean dify.port?"),
    ("dify.domain = 's3cret'", "dify.domain: unknown key; did you mean portal.domain?"),
    ("portl.tls = false", "portl: unknown key; did you mean portal?"),
    ("tls = false", "tls: unknown key; did you mean portal.tls?"),
    (
        "sandbox.zzz = 's3cret'",
        "sandbox.zzz: unknown key; expected one of: home, prefect_port",
    ),
    ("name = 's3cret'", "name: unknown key; an environment is named by its file"),
]


@pytest.mark.parametrize(("text", "sentence"), UNKNOWN)
def test_an_unknown_key_is_an_error_with_a_suggestion_and_without_its_value(
    problems, text, sentence
):
    assert problems(HOSTS + text) == [f"mine.toml: {sentence}"]


def test_a_key_that_no_file_has_is_missing(folder):
    base = folder / "base.toml"
    base.write_text(base.read_text().replace('region = "us-east-1"', ""))
    (folder / "mine.toml").write_text(HOSTS)
    assert refused(folder) == ["base.toml: storage.region: missing; expected a value"]


def test_syntax_errors_of_all_files_are_said_with_their_lines(folder):
    (folder / "base.toml").write_text("a = 1\nb =\n")
    (folder / "mine.toml").write_text("[dify\n")
    assert refused(folder) == [
        "base.toml: not TOML: Invalid value (at line 2, column 4); expected valid TOML",
        "mine.toml: not TOML: Expected ']' at the end of a table declaration "
        "(at line 1, column 6); expected valid TOML",
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[portal]\ndomain = \u201cdify.test\u201d\n", "\u201c' (left double quotation mark)"),
        ("[portal]\r\ndomain\uff1d'dify.test'\r\n", "\uff1d' (fullwidth equals sign)"),
        ("\u3010portal\u3011\n", "\u3010' (left black lenticular bracket)"),
        ("[portal]\n\xa0domain = 'dify.test'\n", "\\xa0' (no-break space)"),
        ("[portal]\nhttp_port = \uff18\uff10\n", "\uff18' (fullwidth digit eight)"),
    ],
)
def test_a_character_that_only_looks_like_one_of_toml_is_shown(folder, text, found):
    (folder / "mine.toml").write_bytes(text.encode())
    [said] = refused(folder)
    assert f"at '{found}; expected valid TOML" in said


def test_problems_of_several_files_name_each_file(folder, monkeypatch):
    base = folder / "base.toml"
    base.write_text(base.read_text().replace("port = 6379", "port = 0"))
    (folder / "mine.toml").write_text(f"{HOSTS}dify.port = 0\n")
    monkeypatch.setenv("ROLLOUT__PORTAL__HTTP_PORT", "0")
    wrong = "0 is not allowed; expected at least 1"
    assert refused(folder) == [
        f"mine.toml: dify.port: {wrong}",
        f"base.toml: redis.port: {wrong}",
        f"variable ROLLOUT__PORTAL__HTTP_PORT: portal.http_port: {wrong}",
    ]


def test_a_file_that_is_not_text_or_not_there(folder):
    (folder / "mine.toml").write_bytes(b"x = '\xff'")
    (folder / "base.toml").unlink()
    assert refused(folder) == [
        "base.toml: cannot be read: No such file or directory; expected a file",
        "mine.toml: byte 5 is not UTF-8; expected UTF-8 text",
    ]


def test_a_name_that_cannot_be_used(folder):
    (folder / "My Env.toml").write_text(HOSTS)
    assert refused(folder, "My Env")[0].startswith("My Env.toml: name: 'My Env' is not a usable")


def test_variables_lie_over_files(folder, monkeypatch):
    (folder / "mine.toml").write_text(f"{HOSTS}dify.port = 8123\n")
    for name, value in {
        "DIFY__PORT": "8124",
        "DIFY__SERVICES": '["api_websocket"]',
        "DIFY__RELEASE": "1.15.0",
        "DIFY__HOME": "/srv/dify",
        "STORAGE__BUCKET": "42",
        "PORTAL__TLS": "false",
        "NODES__FREE_GB__MEMORY": "2",
        "STORAGE__REGION": "2024-01-01",
    }.items():
        monkeypatch.setenv(f"ROLLOUT__{name}", value)
    environment = load_environment("mine", folder)
    assert environment.dify.port == 8124
    assert environment.dify.services == ["api_websocket"]
    assert str(environment.dify.home) == "/srv/dify"
    assert environment.storage.bucket == "42"
    assert environment.portal.tls is False
    assert environment.nodes.free_gb.memory == 2
    assert environment.storage.region == "2024-01-01"


WRONG_VARIABLES = [
    ("DIFY__PROT", "1", "dify.prot: unknown key; did you mean dify.port?"),
    ("DIFY__PORT", "eight", "dify.port: 'eight' is not allowed; expected a whole number"),
    ("PORTAL__TLS", "maybe", "portal.tls: 'maybe' is not allowed; expected true or false"),
    (
        "DIFY__SERVICES",
        "api",
        'dify.services: \'api\' is not allowed; expected a list like ["a", "b"]',
    ),
    ("DIFY", "x", "dify: 'x' is not allowed; expected a section"),
    ("DIFY__PORT__X", "1", "dify.port: a section is not allowed; expected a whole number"),
    ("NAME", "x", "name: unknown key; an environment is named by its file"),
    (
        "DIFY__",
        "x",
        "dify.: unknown key; expected one of: release, project, home, data, bind, port, "
        "direct_ports, subnet, services, admin_email, "
        "language, log_level, api_workers, celery_workers, upload_limit_mb, "
        "start_within_s, migrate_within_s",
    ),
]


@pytest.mark.parametrize(("name", "value", "sentence"), WRONG_VARIABLES)
def test_a_wrong_variable_is_named(folder, monkeypatch, name, value, sentence):
    (folder / "mine.toml").write_text(HOSTS)
    monkeypatch.setenv(f"ROLLOUT__{name}", value)
    assert refused(folder) == [f"variable ROLLOUT__{name}: {sentence}"]


def test_a_section_and_its_key_as_variables_do_not_crash(folder, monkeypatch):
    (folder / "mine.toml").write_text(HOSTS)
    monkeypatch.setenv("ROLLOUT__DIFY", "x")
    monkeypatch.setenv("ROLLOUT__DIFY__PORT", "9000")
    assert any("dify.release: missing; expected a value" in line for line in refused(folder))


@pytest.mark.parametrize(
    "name", ["ROLLOUT_DIFY__PORT", "rollout__dify__port", "Rollout_Dify__Port"]
)
def test_a_variable_that_nobody_would_read_is_named(folder, monkeypatch, name):
    (folder / "mine.toml").write_text(HOSTS)
    monkeypatch.setenv(name, "1")
    sentence = "nobody reads it; expected a name like ROLLOUT__DIFY__PORT"
    assert refused(folder) == [f"variable {name}: {sentence}"]


def test_other_variables_are_none_of_our_business(folder, monkeypatch):
    (folder / "mine.toml").write_text(HOSTS)
    monkeypatch.setenv("ROLLOUT_DIFY_PORT", "1")
    monkeypatch.setenv("DIFY__PORT", "1")
    assert load_environment("mine", folder).dify.port == 8001


def test_paths_of_the_sandbox_are_below_its_home():
    environment = load_environment("sandbox")
    assert environment.dify.home == environment.sandbox.home / "stack"
    assert environment.dify.data == environment.sandbox.home / "data"
    assert environment.sandbox.home.is_absolute()


def test_a_mark_before_the_first_byte_is_no_fault(folder):
    (folder / "mine.toml").write_bytes(b"\xef\xbb\xbf" + HOSTS.encode())
    assert load_environment("mine", folder).postgres.host == "10.0.0.1"


def test_ten_thousand_errors_are_ten_lines_and_a_number(folder):
    lines = "".join(f"wrong_{number} = 1\n" for number in range(10_000))
    (folder / "mine.toml").write_text(lines + HOSTS)
    with pytest.raises(ConfigError) as caught:
        load_environment("mine", folder)
    said = str(caught.value).splitlines()
    assert len(said) == 11 and said[-1] == "… and 9990 more"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = " + "[" * 20_000 + "]" * 20_000, "sections within sections without end"),
        (".".join(["a"] * 20_000) + " = 1", "sections within sections without end"),
        ("# " + "x" * 1_000_000, "1000002 bytes; expected 1000000 at most"),
    ],
)
def test_a_file_that_is_too_much_is_a_sentence(folder, text, said):
    (folder / "mine.toml").write_text(text)
    [problem] = refused(folder)
    assert problem.startswith("mine.toml: ") and said in problem


def test_a_variable_reaches_into_a_table(folder, monkeypatch):
    (folder / "mine.toml").write_text(HOSTS)
    for name, value in (
        ("BACKUP__DRILL__PORT", "8123"),
        ("DIFY__DIRECT_PORTS__WEB", "3100"),
        ("BACKUP__KEEP__DAILY", "9"),
    ):
        monkeypatch.setenv(f"ROLLOUT__{name}", value)
    found = load_environment("mine", folder)
    assert (found.drill.port, found.dify.direct_port("web")) == (8123, 3100)
    assert (found.backup.keep.daily, found.backup.keep.last) == (9, 3)
