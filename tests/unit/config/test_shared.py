"""What two environments must not share is refused where their files show it."""

import pytest

from config.errors import ConfigError
from config.load import load_environment

PRIVATE = """
[sandbox]
home = ".mine"
[platform]
kind = "sandbox"
[dify]
project = "dify-mine"
home = "stack"
data = "data"
[postgres]
host = "172.17.0.1"
port = 15433
[redis]
host = "172.17.0.1"
port = 16380
"""
GIVEN = """
[platform]
kind = "external"
[nodes]
dify = ["machine-b"]
[postgres]
host = "10.10.10.99"
[redis]
host = "10.10.10.99"
"""


@pytest.mark.parametrize(
    ("text", "old", "new", "said"),
    [
        (PRIVATE, ".mine", ".sandbox", "sandbox.home: the directory "),
        (PRIVATE, "dify-mine", "dify-sandbox", "dify.project: the compose project dify-sandbox on"),
        (PRIVATE, "15433", "15432", "postgres.database: the database 172.17.0.1:15432/dify bel"),
        (PRIVATE, "16380", "16379", "redis.database: the Redis database 172.17.0.1:16379/0 bel"),
        (GIVEN, "10.10.10.99", "10.10.10.20", "postgres.database: the database 10.10.10.20:5432"),
    ],
)
def test_what_another_file_claims_is_refused_in_one_sentence(folder, text, old, new, said):
    (folder / "mine.toml").write_text(text)
    assert load_environment("mine", folder).name == "mine"
    (folder / "mine.toml").write_text(text.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load_environment("mine", folder)
    [problem] = caught.value.problems
    assert said in problem
    assert "belongs to the environment s" in problem  # sandbox or staging


def test_a_queue_in_another_ones_cache_is_refused(folder):
    """Redis databases of different keys are the same database."""
    (folder / "mine.toml").write_text(
        PRIVATE.replace("port = 16380", "port = 16379\ndatabase = 1\nbroker_database = 2")
    )
    with pytest.raises(ConfigError, match=r"redis\.database: .*\(redis\.broker_database there\)"):
        load_environment("mine", folder)


def test_a_variable_gives_it_one_of_its_own(folder, monkeypatch):
    (folder / "mine.toml").write_text(PRIVATE.replace(".mine", ".sandbox"))
    monkeypatch.setenv("ROLLOUT__SANDBOX__HOME", "/srv/mine")
    assert str(load_environment("mine", folder).sandbox.home) == "/srv/mine"


def test_a_broken_file_beside_it_is_not_its_fault(folder):
    (folder / "mine.toml").write_text(PRIVATE)
    (folder / "broken.toml").write_text("[[[")
    (folder / "odd.toml").write_text("postgres = 1\nnodes = []\n")
    assert load_environment("mine", folder).name == "mine"
