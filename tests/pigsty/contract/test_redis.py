"""Redis: made by redis-add, and restarted by it."""

import pytest
from redis.exceptions import ConnectionError as Unreachable

PORT, PASSWORD = 6391, "redis.contract"


@pytest.fixture
def cluster(pigsty):
    """Puts the Redis cluster into pigsty.yml, with other settings each time it is called."""

    def make(**settings):
        host = {"redis_node": 1, "redis_instances": {PORT: {}}}
        usual = {"redis_password": PASSWORD, "redis_max_memory": "32MB"}
        named = {"redis_cluster": "redis-two", **usual, **settings}
        pigsty.group("redis-two", pigsty.address, host, **named)

    return make


def test_it_answers_with_what_the_inventory_says(pigsty, cluster):
    cluster(redis_mem_policy="noeviction", redis_aof_enabled=True)
    done = pigsty.run("bin/redis-add", "redis-two")
    assert done.status == 0 and done.hosts[pigsty.address]["failed"] == 0
    client = pigsty.redis(PORT, PASSWORD)
    assert client.ping()
    assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
    assert client.config_get("appendonly")["appendonly"] == "yes"
    assert pigsty.mode(f"/etc/redis/redis-two-1-{PORT}.conf") == 0o600


def test_made_again_it_restarts_and_keeps_its_data(pigsty, cluster):
    cluster()
    assert pigsty.run("bin/redis-add", "redis-two").status == 0
    client = pigsty.redis(PORT, PASSWORD)
    client.set("kept", "1")
    before = client.info("server")["run_id"]
    assert pigsty.run("bin/redis-add", "redis-two").status == 0
    assert client.info("server")["run_id"] != before
    assert client.get("kept") == "1"


def test_its_files_alone_leave_it_running(pigsty, cluster):
    cluster()
    assert pigsty.run("bin/redis-add", "redis-two").status == 0
    before = pigsty.redis(PORT, PASSWORD).info("server")["run_id"]
    cluster(redis_max_memory="48MB")
    assert pigsty.run("./redis.yml", "-l", "redis-two", "-t", "redis_config").status == 0
    assert "maxmemory 48MB" in (pigsty.read(f"/etc/redis/redis-two-1-{PORT}.conf") or "")
    assert pigsty.redis(PORT, PASSWORD).info("server")["run_id"] == before


def test_a_bad_setting_takes_the_running_one_down(pigsty, cluster):
    cluster()
    assert pigsty.run("bin/redis-add", "redis-two").status == 0
    pigsty.redis(PORT, PASSWORD).set("kept", "2")
    cluster(redis_max_memory="much")
    done = pigsty.run("bin/redis-add", "redis-two")
    assert done.status == 2 and done.hosts[pigsty.address]["failed"] == 1
    with pytest.raises(Unreachable):
        pigsty.redis(PORT, PASSWORD).ping()
    cluster()
    assert pigsty.run("bin/redis-add", "redis-two").status == 0
    assert pigsty.redis(PORT, PASSWORD).get("kept") == "2"
