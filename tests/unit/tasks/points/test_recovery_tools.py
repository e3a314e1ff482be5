from pathlib import Path

from pydantic import SecretStr

from clients.postgres import Postgres
from tasks.tools import age, pg_dump
from tasks.tools.pg_dump import Clients

DATABASE = Postgres("db", 5432, "dify", SecretStr("pa55"), "dify_incoming")
CLIENTS = Clients(Path("/usr/lib/postgresql/16/bin"))


def test_the_kit_is_encrypted_to_every_owner_and_never_in_argv():
    command = age.encrypt(["age1aaa", "ssh-ed25519 AAAA me"], "s3cret")
    assert command.argv() == [
        "age", "--armor", "--recipient", "age1aaa", "--recipient", "ssh-ed25519 AAAA me",
    ]  # fmt: skip


def test_the_password_of_the_database_travels_in_the_environment():
    for command in (CLIENTS.dump(DATABASE, "1-2-3"), CLIENTS.restore(DATABASE)):
        assert "pa55" not in " ".join(command.argv()) + repr(command)
        assert "pa55" in command.secrets()


def test_whom_to_trust_travels_there_too():
    trusting = Clients(CLIENTS.folder, Path("/srv/postgres-ca.crt"))
    for command in (trusting.dump(DATABASE, "1-2-3"), trusting.restore(DATABASE)):
        assert ("PGSSLROOTCERT", "/srv/postgres-ca.crt") in command.env
    assert "PGSSLROOTCERT" not in dict(CLIENTS.dump(DATABASE, "1-2-3").env)


def test_a_restore_is_all_or_nothing_and_leaves_extensions_to_the_administrator():
    words = CLIENTS.restore(DATABASE).words
    assert {"--single-transaction", "--exit-on-error", "--no-owner", "--no-comments"} <= set(words)
    assert "--dbname=dify_incoming" in words


def test_versions():
    assert pg_dump.parse_version("pg_dump (PostgreSQL) 16.14\n") == 16
    assert pg_dump.parse_version("pg_dump (PostgreSQL) 15.8 (Debian 15.8-0+deb12u1)") == 15
    assert pg_dump.parse_version("") == 0
