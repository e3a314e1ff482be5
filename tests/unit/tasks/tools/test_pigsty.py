import re
from dataclasses import replace
from pathlib import Path

import pytest

from clients.command import Command
from tasks.tools.pigsty import BUSY, Tree, version_of

HOME = Path("/root/pigsty")
NEW = Tree(HOME, "4.5.0", frozenset({"bootstrap", "deploy.yml"}))
OLD = Tree(HOME, "2.7.0", frozenset({"bootstrap", "install.yml"}))


def words(command: Command) -> str:
    assert command.cwd == str(HOME), "from any other directory it does nothing and says complete"
    assert "-v" not in command.words or command.words[0] == "./configure"
    return str(command)


def test_the_entry_is_what_the_tree_has():
    assert words(NEW.install()) == "./deploy.yml"
    assert words(OLD.install()) == "./install.yml"


def test_commands_of_a_cluster():
    assert words(NEW.pgsql_add("pg-meta")) == "bin/pgsql-add pg-meta"
    assert words(NEW.pgsql_user("pg-meta", "dbuser_dify")) == "bin/pgsql-user pg-meta dbuser_dify"
    assert words(NEW.pgsql_db("pg-meta", "dify")) == "bin/pgsql-db pg-meta dify"
    assert words(NEW.pgsql_hba("pg-meta")) == "bin/pgsql-hba pg-meta"
    assert words(NEW.redis_add("redis-dify")) == "bin/redis-add redis-dify"
    assert words(NEW.redis_add("10.0.0.1", [6380])) == "bin/redis-add 10.0.0.1 6380"
    rest = NEW.pgsql_rest("pg-meta", ("pg_service", "pg_exporter"))
    assert words(rest) == "./pgsql.yml -l pg-meta -t pg_service,pg_exporter"
    assert words(NEW.redis_config("redis-dify")) == "./redis.yml -l redis-dify -t redis_config"
    assert words(NEW.docker(["10.0.0.1", "10.0.0.2"])) == "./docker.yml -l 10.0.0.1,10.0.0.2"


def test_the_old_tree_knows_no_reload_and_configures_by_mode():
    assert words(NEW.portal()) == "./infra.yml -t nginx_config,nginx_cert,nginx_reload"
    assert words(OLD.portal()) == "./infra.yml -t nginx_config,nginx_cert"
    new = NEW.configure("10.0.0.1", template="meta", version=17, region="china")
    assert words(new) == "./configure -i 10.0.0.1 -c meta -v 17 -r china -n"
    old = OLD.configure("10.0.0.1", template="prod", version=16, region="default")
    assert words(old) == "./configure -i 10.0.0.1 -m prod -r default -n"


def test_without_a_version_the_templates_own_stays():
    new = NEW.configure("10.0.0.1", template="meta", version=0, region="default")
    assert words(new) == "./configure -i 10.0.0.1 -c meta -r default -n"
    third = replace(OLD, version="3.7.0")
    assert words(third.configure("10.0.0.1", template="meta", version=17, region="default")) == (
        "./configure -i 10.0.0.1 -c meta -v 17 -r default -n"
    )


@pytest.mark.parametrize("address", ["999.1.1.1", "10.0.0.5extra", "host"])
def test_an_address_that_configure_would_take_is_refused(address: str):
    with pytest.raises(ValueError, match=re.escape(address.rsplit(".", maxsplit=1)[-1])):
        NEW.configure(address, template="meta", version=17, region="default")


def test_bootstrap_keeps_the_machines_own_package_sources():
    assert words(NEW.bootstrap("china")) == "./bootstrap -k -r china"
    assert words(NEW.bootstrap("default", Path("/tmp/pkg.tgz"))) == (
        "./bootstrap -k -r default -p /tmp/pkg.tgz"
    )


def test_one_playbook_at_a_time():
    command = NEW.alone(NEW.pgsql_hba("pg-meta"))
    assert words(command).startswith(f"flock --nonblock --close --conflict-exit-code {BUSY} ")
    assert words(command).endswith("/.dify-rollout.lock bin/pgsql-hba pg-meta")
    assert command.timeout_s == NEW.pgsql_hba("pg-meta").timeout_s


def test_a_command_asked_of_a_node_is_quoted_once():
    command = NEW.ask(("10.0.0.1", "10.0.0.2"), ("cat", "/a b"), "postgres")
    assert command.words[-2] == "cat '/a b'"
    assert command.words[:2] == ("ansible", "10.0.0.1,10.0.0.2")


def test_a_file_put_on_a_node_is_written_through_its_link():
    command = NEW.put(Path("/root/new"), "10.0.0.1", Path("/etc/nginx/conf.d/dify.conf"), 0o644)
    assert command.words[-2] == (
        "src=/root/new dest=/etc/nginx/conf.d/dify.conf mode=0644 follow=yes"
    )


def test_the_version_a_tree_says_it_is():
    assert version_of("#!/bin/bash\nPIGSTY_VERSION=v4.5.0\n") == "4.5.0"
    assert version_of("#!/bin/bash\n") is None


def test_what_ansible_knows_is_asked_without_a_shell():
    assert words(NEW.variables()) == (
        "ansible all --module-name debug --args 'var=hostvars[inventory_hostname]' --one-line"
    )
    assert words(NEW.defaults()).startswith("find roles ")
