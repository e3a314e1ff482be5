"""A machine's PostgreSQL, and Pigsty's tasks about it: cluster, rules, roles, databases, pooler."""

import re
import shutil
import signal
from collections.abc import Sequence
from typing import Any

from engine import pgbackrest, services
from engine.play import CHANGED, OK, SKIPPED, Done, Ended, Failed, Task
from engine.world import Host, answers, end, pid_in, run

INTRANET = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
AUTHS = {"deny": "reject", "pwd": "scram-sha-256", "ssl": "scram-sha-256", "sha": "scram-sha-256",
         "md5": "md5", "os": "ident", "peer": "peer", "trust": "trust", "cert": "cert"}  # fmt: skip
NAMED = ("local", "localhost", "admin", "infra", "cluster", "intra", "intranet", "world", "all")
ADDRESS = re.compile(r"([0-9]{1,3}\.){3}[0-9]{1,3}(/([0-9]|[1-2][0-9]|3[0-2]))?")
NAME = re.compile(r"[a-z_][a-z0-9_@.-]{0,62}")
DEFAULT_RULES: list[dict[str, Any]] = [
    {"user": "postgres", "db": "all", "addr": "local", "auth": "peer map=double"},
    {"user": "postgres", "db": "replication", "addr": "local", "auth": "peer map=double"},
    {"user": "dbuser_dba", "db": "all", "addr": "world", "auth": "sha"},
    {"user": "+dbrole_readonly", "db": "all", "addr": "intra", "auth": "pwd"},
]
INIT_SQL = (
    "CREATE ROLE dbrole_readonly NOLOGIN",
    "CREATE ROLE dbrole_offline NOLOGIN",
    "CREATE ROLE dbrole_readwrite NOLOGIN IN ROLE dbrole_readonly",
    "CREATE ROLE dbrole_admin NOLOGIN IN ROLE dbrole_readwrite",
    "CREATE ROLE replicator LOGIN REPLICATION PASSWORD 'DBUser.Replicator'",
    "CREATE ROLE dbuser_monitor LOGIN PASSWORD 'DBUser.Monitor' IN ROLE dbrole_readonly",
    "CREATE ROLE dbuser_dba LOGIN SUPERUSER PASSWORD 'DBUser.DBA'",
)
# Each database begins as a copy of it: Dify's role may not read what the monitoring has in there.
TEMPLATE_SQL = (
    "CREATE SCHEMA monitor",
    "CREATE TABLE monitor.heartbeat (id text PRIMARY KEY, ts timestamptz)",
    "CREATE FOREIGN DATA WRAPPER file_fdw",
    "CREATE SERVER fs FOREIGN DATA WRAPPER file_fdw",
)


def data(host: Host):
    return host.path("/pg/data")


def sql(host: Host, statement: str, database: str = "postgres"):
    """What psql answers as the cluster's administrator."""
    words = (host.world.programs / "bin/psql", "-AXtwq", "-v", "ON_ERROR_STOP=1", "-h",
             host.path("/pg/run"), "-p", str(port(host)), "-U", "postgres", "-d", database,
             "-c", statement)  # fmt: skip
    return run(words)


def port(host: Host) -> int:
    return host.port("pg_port", 5432)


def running(host: Host) -> int | None:
    return pid_in(data(host) / "postmaster.pid")


def stop(host: Host) -> None:
    end(data(host) / "postmaster.pid", signal.SIGINT)


def members(host: Host) -> list[str]:
    cluster = host.get("pg_cluster")
    hosts = host.inventory.hosts
    return [name for name, known in hosts.items() if known.get("pg_cluster") == cluster]


# The cluster


def launch(host: Host) -> Done:
    """Start it, made anew where there is none; what runs is restarted. Before 3.0 it is purged."""
    primary(host)
    if not host.world.modern and host.get("pg_clean", True) and data(host).exists():
        if host.get("pg_safeguard", False) and running(host):
            raise Failed("Abort due to pg_safeguard enabled")
        stop(host)
        shutil.rmtree(data(host))
    if not (data(host) / "PG_VERSION").exists():
        _initdb(host)
    else:
        stop(host)
    start(host)
    host.note(f"started postgres {port(host)}")
    init(host)
    services.start(host, "patroni", 8008)
    return CHANGED


def init(host: Host) -> Done:
    for statement in INIT_SQL:
        sql(host, statement)
    for statement in TEMPLATE_SQL:
        sql(host, statement, "template1")
    return CHANGED


def primary(host: Host) -> None:
    if host.get("pg_role") not in (None, "primary"):
        raise Failed("the double has no replicas: give the cluster one machine")


def _initdb(host: Host) -> None:
    folder = data(host)
    shutil.rmtree(folder, ignore_errors=True)
    pgbackrest.forget(host)
    for path in (folder, host.path("/pg/run"), host.path("/pg/tmp"), host.path("/pg/log")):
        path.mkdir(parents=True, exist_ok=True)
        shutil.chown(path, host.world.user)
    folder.chmod(0o700)
    done = run(
        (host.world.programs / "bin/initdb", "--pgdata", folder, "--username=postgres",
         "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--auth=reject",
         "--wal-segsize=1"),
        host.world.user,
    )  # fmt: skip
    if done.returncode != 0:
        raise Failed(f"initdb: {done.stderr.strip()}")
    settings = {"listen_addresses": host.name, "port": str(port(host)), "fsync": "off",
                "unix_socket_directories": "../run", "max_connections": "250",
                "shared_buffers": "32MB", "min_wal_size": "2MB",
                **pgbackrest.settings(host)}  # fmt: skip
    with (folder / "postgresql.conf").open("a") as conf:
        conf.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
    (folder / "pg_ident.conf").write_text(
        f"double root postgres\ndouble {host.world.user} postgres\n"
    )
    hba_conf(host)


def start(host: Host) -> None:
    log = host.path("/pg/log/postgres.log")
    words = (host.world.programs / "bin/pg_ctl", "start", "-D", data(host), "-l", log, "-s", "-w")
    done = run(words, host.world.user)
    if done.returncode != 0:
        raise Failed(f"postgres does not start: {done.stderr.strip()}", rc=1)


# Rules


def hba_conf(host: Host) -> Done:
    own = host.get("pg_hba_rules", [])
    rules = [rule for rule in DEFAULT_RULES + own if "order" not in rule]
    first = sorted((rule for rule in own if "order" in rule), key=lambda rule: rule["order"])
    lines = [line for rule in first + rules for line in _rule(host, rule)]
    text = "".join(f"{line}\n" for line in lines)
    changed = host.write("/pg/data/pg_hba.conf", text, 0o600)
    shutil.chown(data(host) / "pg_hba.conf", host.world.user)
    return CHANGED if changed else OK


def _rule(host: Host, rule: dict[str, Any]) -> list[str]:
    if rule.get("rules"):
        return [f"# {rule.get('title', '')}", *rule["rules"]]
    where = str(rule.get("addr", ""))
    if where not in NAMED and not ADDRESS.fullmatch(where):
        raise Failed(
            "AnsibleUndefinedVariable: 'None' has no attribute "
            f"'[ERROR] invalid addr name: {where}'"
        )
    auth = AUTHS.get(str(rule.get("auth", "pwd")), str(rule.get("auth")))
    kind = "hostssl" if str(rule.get("auth")) in ("ssl", "cert") else "host"
    who = f"{rule.get('db', 'all'):<18} {rule.get('user', 'all'):<18}"
    lines = [f"# {rule.get('title', '')}".rstrip()]
    if where in ("local", "localhost"):
        lines.append(f"local    {who}                    {auth}")
    return [*lines, *(f"{kind:<8} {who} {one:<18} {auth}" for one in _addresses(host, where))]


def _addresses(host: Host, where: str) -> Sequence[str]:
    named = {
        "local": (),
        "localhost": ("127.0.0.1/32", "::1/128"),
        "admin": (f"{host.get('admin_ip')}/32",),
        "infra": [f"{name}/32" for name in host.inventory.groups.get("infra", ())],
        "cluster": [f"{name}/32" for name in members(host)],
        "intra": INTRANET,
        "intranet": INTRANET,
        "world": ("0.0.0.0/0", "::/0"),
        "all": ("0.0.0.0/0", "::/0"),
    }
    return named.get(where, (where,))


def reload(host: Host) -> Done:
    done = run((host.world.programs / "bin/pg_ctl", "reload", "-s", "-D", data(host)),
               host.world.user)  # fmt: skip
    if done.returncode != 0:
        raise Failed("non-zero return code", rc=1, stderr=done.stderr.strip())
    return CHANGED


# Roles


def make_role(host: Host, user: dict[str, Any]) -> Done:
    """Errors of the SQL are swallowed; the file with the password in clear stays."""
    name = user["name"]
    if not NAME.fullmatch(name):
        raise Failed(f"Invalid username '{name}'. Must match ^{NAME.pattern}$ max 63 chars)")
    if user.get("state", "create") == "absent":
        sql(host, f'DROP ROLE IF EXISTS "{name}"')
        return CHANGED
    statements = list(_role_sql(user))
    host.write(f"/pg/tmp/pg-user-{name}.sql", "".join(f"{s};\n" for s in statements), 0o640)
    shutil.chown(host.path(f"/pg/tmp/pg-user-{name}.sql"), host.world.user)
    for statement in statements:
        sql(host, statement)
    if not sql(host, f"SELECT 1 FROM pg_authid WHERE rolname = '{name}'").stdout.strip():
        raise Failed("non-zero return code", rc=1)
    return CHANGED


def _role_sql(user: dict[str, Any]):
    name = f'"{user["name"]}"'
    powers = ("login", "superuser", "createdb", "createrole", "inherit", "replication", "bypassrls")
    words = [("" if user[power] else "NO") + power.upper() for power in powers if power in user]
    yield f"CREATE USER {name} {' '.join(words)}".strip()
    yield f"ALTER USER {name} {' '.join(words)}".strip()
    if user.get("password") is not None:
        quoted = str(user["password"]).replace("'", "''")
        yield f"ALTER USER {name} PASSWORD '{quoted}'"
    if user.get("connlimit") is not None:
        yield f"ALTER USER {name} CONNECTION LIMIT {int(user['connlimit'])}"
    for key, value in (user.get("parameters") or {}).items():
        yield f"ALTER USER {name} SET \"{key}\" = '{value}'"
    comment = str(user.get("comment", f"business user {user['name']}")).replace("'", "''")
    yield f"COMMENT ON ROLE {name} IS '{comment}'"
    for role in user.get("roles") or []:
        given = {"name": role} if isinstance(role, str) else role
        verb = "REVOKE {} FROM" if given.get("state") in ("revoke", "absent") else "GRANT {} TO"
        yield f"{verb.format(chr(34) + given['name'] + chr(34))} {name}"


# Databases


def make_database(host: Host, database: dict[str, Any]) -> Done:
    name, state = database["name"], database.get("state", "create")
    if state in ("absent", "recreate"):
        sql(host, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    if state == "absent":
        return CHANGED
    if sql(host, f"SELECT 1 FROM pg_database WHERE datname = '{name}'").stdout.strip():
        return CHANGED
    owner = f' OWNER "{database["owner"]}"' if database.get("owner") else ""
    sql(host, f'CREATE DATABASE "{name}"{owner}')  # psql goes on after an error
    return CHANGED


def prepare_database(host: Host, database: dict[str, Any]) -> Done:
    """Owner, privileges, schemas and extensions; what fails of them is only in a log file."""
    if database.get("state") == "absent":
        return SKIPPED
    name = database["name"]
    statements = [f'REVOKE CREATE ON DATABASE "{name}" FROM PUBLIC',
                  f'GRANT CREATE ON DATABASE "{name}" TO dbrole_admin',
                  "GRANT CREATE ON SCHEMA public TO dbrole_admin"]  # fmt: skip
    if database.get("owner"):
        statements.insert(0, f'ALTER DATABASE "{name}" OWNER TO "{database["owner"]}"')
    for schema in database.get("schemas") or []:
        plain = schema if isinstance(schema, str) else schema["name"]
        statements.append(f'CREATE SCHEMA IF NOT EXISTS "{plain}"')
    for extension in database.get("extensions") or []:
        given = {"name": extension} if isinstance(extension, str) else extension
        statements.append(f'CREATE EXTENSION IF NOT EXISTS "{given["name"]}" CASCADE')
    for statement in statements:
        sql(host, statement, name)
    if not sql(host, f"SELECT 1 FROM pg_database WHERE datname = '{name}'").stdout.strip():
        raise Failed("non-zero return code", rc=2, stderr="", stdout="")
    return CHANGED


# pgbouncer, of which the double has only the files


def pooler_users(host: Host) -> Done:
    answer = sql(
        host,
        'SELECT format(\'"%s" "%s"\', rolname, rolpassword) FROM pg_authid '
        "WHERE rolpassword IS NOT NULL ORDER BY 1",
    )
    host.write("/etc/pgbouncer/userlist.txt", answer.stdout)
    return CHANGED


def pooler_databases(host: Host) -> Done:
    """All of pg_databases, those included that do not exist yet."""
    names = [d["name"] for d in host.get("pg_databases", []) if d.get("pgbouncer", True)]
    lines = [f"{name:<27} = host=/var/run/postgresql\n" for name in names]
    return CHANGED if host.write("/etc/pgbouncer/database.txt", "".join(lines), 0o600) else OK


def reload_pooler(host: Host) -> Done:
    """A pooler that was stopped is started; one that cannot start fails the task."""
    if host.down("pgbouncer"):
        raise Failed(
            "Unable to start service pgbouncer: Job for pgbouncer.service failed because the "
            "control process exited with error code.\n"
        )
    services.start(host, "pgbouncer", 6432)
    return CHANGED


def haproxy(host: Host) -> Done:
    services.start(host, "haproxy", 5433, 5434, 5436, 5438)
    return CHANGED


def exporter(host: Host) -> Done:
    services.start(host, "pg_exporter", 9630)
    return CHANGED


# Tasks


def cluster_tasks(hosts: Sequence[Host]) -> list[Task]:
    """pgsql.yml: everything for the machines' clusters."""
    boot = ("pg_bootstrap", "postgres", "patroni", "pgsql")
    users = {user["name"]: user for host in hosts for user in host.get("pg_users", [])}
    databases = {db["name"]: db for host in hosts for db in host.get("pg_databases", [])}
    tasks = [
        Task("skip non-pgsql hosts", _only_pgsql, ("always",)),
        Task("pgsql : install postgres packages", lambda _: OK, ("pg_install", "pg_pkg", "pgsql")),
        Task("pgsql : launch patroni primary", launch, ("pg_launch", "pg_primary", *boot)),
        Task("pgsql : init postgres cluster", init, ("pg_launch", "pg_init", *boot)),
        Task("pgsql : wait for postgres primary", _wait, ("pg_launch", "pg_primary", *boot)),
        Task("pgsql : render postgres hba rules", hba_conf, ("pg_launch", "pg_hba", *boot)),
        Task("pgsql : reload postgres config", reload, ("pg_launch", "pg_reload", *boot)),
        Task("pgsql : pgbackrest initial backup", pgbackrest.install, ("pgbackrest", "pgsql")),
    ]
    provision = ("pg_provision", "pgsql")
    for user in users.values():
        tasks += [Task(f"pgsql : create postgres user {user['name']}",
                       lambda host, user=user: make_role(host, user),
                       ("pg_user", *provision), ignore_errors=True)]  # fmt: skip
    for database in databases.values():
        tasks += _database_tasks(database, ("pg_db", *provision), "pgsql : ")
    access = ("pg_access", "pgsql")
    pool = ("pgbouncer", *access)
    return [
        *tasks,
        Task("pgsql : create pgbouncer userlist", pooler_users, ("pgbouncer_config", *pool)),
        Task("pgsql : config pgbouncer", pooler_databases, ("pgbouncer_config", *pool)),
        Task("pgsql : config pgbouncer hba rules", lambda _: OK, ("pgbouncer_hba", *pool)),
        Task(
            "pgsql : launch pgbouncer systemd service", reload_pooler, ("pgbouncer_launch", *pool)
        ),
        Task("pgsql : reload pgbouncer", reload_pooler, ("pgbouncer_reload", *pool)),
        Task("pgsql : reload local haproxy", haproxy, ("pg_service", "pg_access", "pgsql")),
        Task("pgsql : pgsql init done", lambda _: OK, ("pg_done", "pgsql")),
        Task("pg_monitor : launch pg_exporter", exporter, ("pg_exporter", "monitor")),
    ]


def user_tasks(hosts: Sequence[Host], given: dict[str, Any]) -> list[Task]:
    name = str(given.get("username", ""))

    def user(host: Host) -> dict[str, Any]:
        return next((u for u in host.get("pg_users", []) if u["name"] == name), {})

    def pooled(act: Any):
        return lambda host: act(host) if user(host).get("pgbouncer") else SKIPPED

    return [
        Task("validate username parameter", _assert(name not in ("", "postgres"),
             "variable 'username' should be specified (-e username=<name>)"), ("always",)),
        Task("fetch user definition", lambda _: OK, ("always",)),
        Task("validate user definition", lambda host: _asserted(
             bool(user(host)), f"define user {name} in pg_users first"), ("always",)),
        Task(f"prepare sql for user {name}", lambda _: CHANGED, ("postgres",)),
        Task(f"create postgres user {name}", lambda host: make_role(host, user(host)),
             ("postgres",), ignore_errors=True),
        Task("add business users to pgbouncer", pooled(pooler_users), ("pgbouncer",),
             ignore_errors=True),
        Task("reload pgbouncer", pooled(reload_pooler), ("pgbouncer",)),
    ]  # fmt: skip


def database_tasks(hosts: Sequence[Host], given: dict[str, Any]) -> list[Task]:
    name = str(given.get("dbname", ""))
    known = (db for host in hosts for db in host.get("pg_databases", []) if db["name"] == name)
    database = next(known, {"name": name})
    defined = lambda host: any(db["name"] == name for db in host.get("pg_databases", []))  # noqa: E731
    return [
        Task("validate dbname parameter", _assert(name != "",
             "variable 'pg_database' should be specified (-e dbname=<name>)"), ("always",)),
        Task("get database definition", lambda _: OK, ("always",)),
        Task("validate database definition", lambda host: _asserted(
             defined(host), f"define database {name} in pg_databases first"), ("always",)),
        *_database_tasks(database, ("postgres",), ""),
        Task(f"load grafana datasource {name}", _no_grafana, ("register", "grafana"),
             ignore_errors=True),
        Task("render pgbouncer database.txt", pooler_databases, ("pgbouncer",)),
        Task("reload pgbouncer", reload_pooler, ("pgbouncer",)),
    ]  # fmt: skip


def _database_tasks(database: dict[str, Any], tags: tuple[str, ...], role: str) -> list[Task]:
    name = database["name"]
    return [
        Task(f"{role}create database {name}", lambda host: make_database(host, database),
             tags, ignore_errors=True),
        Task(f"{role}provision database {name}", lambda host: prepare_database(host, database),
             tags, ignore_errors=True),
    ]  # fmt: skip


def _only_pgsql(host: Host) -> Done:
    if host.get("pg_cluster") is None:
        raise Ended
    return SKIPPED


def _wait(host: Host) -> Done:
    if not answers(host.name, port(host), 30):
        raise Failed(f"Timeout when waiting for {host.name}:{port(host)}", elapsed=30)
    return OK


def _no_grafana(host: Host) -> Done:
    password = host.get("grafana_admin_password", "pigsty")
    raise Failed(
        "non-zero return code", rc=7, cmd=f'curl -X POST -u "admin:{password}"',
        stderr="curl: (7) Failed to connect to 127.0.0.1 port 3000",
    )  # fmt: skip


def _assert(holds: bool, msg: str):
    return lambda _: _asserted(holds, msg)


def _asserted(holds: bool, msg: str) -> Done:
    if not holds:
        raise Failed(msg, assertion="defined", evaluated_to=False)
    return Done("ok", "All assertions passed")
