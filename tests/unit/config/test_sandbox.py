from pathlib import Path

from config.desired.sandbox import addresses, nginx_conf, pg_hba_conf, postgresql_conf, redis_conf


def test_servers_listen_on_loopback_and_the_bridge_only(environment):
    assert addresses("172.17.0.1") == ["127.0.0.1", "172.17.0.1"]
    assert addresses("127.0.0.1") == addresses("localhost") == ["127.0.0.1"]
    settings = postgresql_conf(environment, Path("/run/x"))
    assert settings["listen_addresses"] == "127.0.0.1,172.17.0.1"
    assert settings["password_encryption"] == "scram-sha-256"
    assert "bind 127.0.0.1 172.17.0.1\n" in redis_conf(environment, "x", Path("/x"))


def test_who_may_log_in(environment):
    rules = [
        line.split()
        for line in pg_hba_conf(environment, "owner").splitlines()
        if not line.startswith("#")
    ]
    assert [rule for rule in rules if rule[-1] != "scram-sha-256"] == [
        ["local", "all", "owner", "trust"]
    ]
    reach = {(rule[1].removeprefix("dify_plugin").removeprefix("dify"), rule[3])
             for rule in rules if rule[2] == "dbuser_dify"}  # fmt: skip
    assert reach == {
        ("", "samehost"),
        ("", "172.30.31.0/24"),
        ("_incoming", "samehost"),
        ("_drill", "samehost"),
        ("_drill", "172.30.32.0/24"),
    }
    assert not any("all" in rule[1:3] for rule in rules[1:])


def test_redis_keeps_everything_and_asks_for_a_password(environment):
    text = redis_conf(environment, 'a"b\\c d', Path("/x"))
    for line in (
        'requirepass "a\\"b\\\\c d"',
        "maxmemory-policy noeviction",
        "appendonly yes",
        f"maxmemory {256 * 1024 * 1024}",
        "port 16379",
    ):
        assert f"{line}\n" in text


def test_the_portal_of_the_sandbox_keeps_to_its_folder(environment):
    text = nginx_conf(environment, Path("/home/x"))
    for line in text.splitlines():
        if "_path" in line or "pid" in line or "_log" in line:
            assert "/home/x/nginx/" in line
    assert "/home/x/nginx/conf.d/*.conf" in text
