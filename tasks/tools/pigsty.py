"""Pigsty's own commands and playbooks as data, for every version of its tree.

All of them work only from the tree's own directory: called from elsewhere they find no
inventory, do nothing and report success. `-v` is never given: it prints passwords.
"""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Literal

from clients.command import Command

NEWEST = 4
BUSY = 75  # ours: another playbook holds the tree
LOCK = ".dify-rollout.lock"
ENTRIES = ("deploy.yml", "install.yml")
PITR = "pgsql-pitr.yml"
PORTAL_TAGS = ("nginx_config", "nginx_cert", "nginx_reload")
RENEWED_TAGS = ("nginx_cert", "nginx_reload")

_VERSION = re.compile(r"^PIGSTY_VERSION=v?(?P<version>[\w.-]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Tree:
    """Pigsty's source tree at `home`. `user` runs its commands: whoever may ssh to the nodes."""

    home: Path
    version: str
    files: frozenset[str]
    user: str | None = None

    @property
    def entry(self) -> str:
        """The playbook that installs everything: its name changed with the versions."""
        return next((name for name in ENTRIES if name in self.files), ENTRIES[0])

    @property
    def reloads_nginx(self) -> bool:
        """Whether infra.yml knows the tag nginx_reload: since 3.0."""
        return self._major >= 3  # noqa: PLR2004

    @property
    def _major(self) -> int:
        digits = re.match(r"\d+", self.version)
        return int(digits[0]) if digits else NEWEST

    def bootstrap(self, region: str, package: Path | None = None) -> Command:
        """Ansible and, from an offline package, a local repository; own apt sources are kept."""
        offline = ("-p", str(package)) if package else ()
        return self._run("./bootstrap", "-k", "-r", region, *offline, timeout_s=3600)

    def configure(self, address: str, *, template: str, version: int, region: str) -> Command:
        """Write pigsty.yml. It takes any address and overwrites the file: both are our care.

        `version`: of PostgreSQL, 0 for that of the template.
        """
        IPv4Address(address)
        chosen = ("-v", str(version)) if version and self._major >= 3 else ()  # noqa: PLR2004
        flag = "-c" if self._major >= 3 else "-m"  # noqa: PLR2004
        words = ("-i", address, flag, template, *chosen, "-r", region, "-n")
        return self._run("./configure", *words)

    def install(self) -> Command:
        return self._play(self.entry, timeout_s=7200)

    def pgsql_add(self, cluster: str) -> Command:
        """Make the cluster. Only for one of which nothing exists: it restarts or purges."""
        return self._run("bin/pgsql-add", cluster, timeout_s=3600)

    def pgsql_rest(self, cluster: str, tags: Sequence[str]) -> Command:
        """The parts of a cluster that these tags make; what runs beside them goes on."""
        return self._play("pgsql.yml", "-l", cluster, "-t", ",".join(tags), timeout_s=3600)

    def pgsql_user(self, cluster: str, user: str) -> Command:
        return self._run("bin/pgsql-user", cluster, user)

    def pgsql_db(self, cluster: str, database: str) -> Command:
        return self._run("bin/pgsql-db", cluster, database)

    def pgsql_hba(self, cluster: str) -> Command:
        return self._run("bin/pgsql-hba", cluster)

    def redis_add(self, where: str, ports: Sequence[int] = ()) -> Command:
        """Make or restart every instance of the cluster or machine, or only those of the ports."""
        return self._run("bin/redis-add", where, *map(str, ports), timeout_s=1800)

    def docker(self, hosts: Sequence[str]) -> Command:
        """Install, configure and restart Docker Engine."""
        return self._play("docker.yml", "-l", ",".join(hosts), timeout_s=3600)

    def authority(self) -> Command:
        """The certificate authority, without which the portal's tasks fail."""
        return self._play("infra.yml", "-t", "ca")

    def portal(self, tags: Sequence[str] = PORTAL_TAGS) -> Command:
        known = [tag for tag in tags if tag != "nginx_reload" or self.reloads_nginx]
        return self._play("infra.yml", "-t", ",".join(known))

    def certificate(self, domain: str) -> Command:
        """A certificate of Pigsty's authority for the domain alone, in files/pki/misc."""
        names = json.dumps({"cn": domain, "san": [f"DNS:{domain}"], "expire": "397d"})
        return self._play("cert.yml", "-e", names)

    def certbot(self) -> Command:
        """Ask Let's Encrypt for the domains that name a certbot certificate, then use them."""
        tags = "nginx_certbot,nginx_reload"
        return self._play("infra.yml", "-t", tags, "-e", "certbot_sign=true")

    def dns(self) -> Command:
        """The records of dnsmasq, which reads them by itself: it is not restarted."""
        return self._play("infra.yml", "-t", "dns_dir,dns_record")

    def hosts(self) -> Command:
        """The hosts files of all nodes, from node_etc_hosts."""
        return self._play("node.yml", "-t", "node_hosts")

    def pitr(
        self, limit: str, stage: Literal["down", "pitr", "up"], goal: Mapping[str, str]
    ) -> Command:
        """One stage of going back to a goal, like {"time": "2026-11-24 12:00:00+00"}; acts at once.

        Without the action the server only pauses there; Patroni then takes it past the moment.
        """
        target = json.dumps({"pg_pitr": {**goal, "action": "promote"}})
        return self._play(PITR, "-l", limit, "-t", stage, "-e", target, timeout_s=86_400)

    @property
    def goes_back(self) -> bool:
        """Whether it has a playbook for `pitr`: not before 3.7."""
        return PITR in self.files

    def ask(
        self, addresses: Sequence[str], words: Sequence[str], user: str, timeout_s: float = 60
    ) -> Command:
        """One command on some nodes of the inventory, reached as Ansible reaches them."""
        become = ("--become", "--become-user", user)
        what = ("--module-name", "command", "--args", shlex.join(words), "--one-line")
        return self._run("ansible", ",".join(addresses), *become, *what, timeout_s=timeout_s)

    def variables(self) -> Command:
        """Every variable of every host as Ansible resolves it, vaults opened; no host is asked."""
        what = ("--module-name", "debug", "--args", "var=hostvars[inventory_hostname]")
        return self._run("ansible", "all", *what, "--one-line", timeout_s=120)

    def defaults(self) -> Command:
        """The text of the variables that roles bring along."""
        which = ("(", "-path", "*/defaults/*", "-o", "-path", "*/vars/*", ")", "-type", "f")
        return self._run("find", "roles", *which, "-exec", "cat", "{}", "+", timeout_s=60)

    def put(self, source: Path, address: str, target: Path, mode: int) -> Command:
        """A file of the admin node on one node of the inventory; the owner of one there stays."""
        names = f"src={shlex.quote(str(source))} dest={shlex.quote(str(target))}"
        where = f"{names} mode={mode:04o} follow=yes"
        what = ("--module-name", "copy", "--args", where, "--one-line")
        return self._run("ansible", address, "--become", *what, timeout_s=60)

    def redis_config(self, cluster: str) -> Command:
        """Write the configuration files of the cluster's instances; none is restarted."""
        return self._play("redis.yml", "-l", cluster, "-t", "redis_config")

    def lock(self) -> Path:
        return self.home / LOCK

    def quiet(self) -> Command:
        """Ends at once with status 0 unless somebody runs a playbook: then with `BUSY`."""
        return self._locked(("true",), timeout_s=30)

    def alone(self, command: Command) -> Command:
        """The command while nobody else runs a playbook of this tree, else status `BUSY`.

        The kernel frees the lock when the last process of the playbook ends.
        """
        words = tuple(word for word in command.words if isinstance(word, str))
        return self._locked(words, timeout_s=command.timeout_s)

    def _locked(self, words: Sequence[str], timeout_s: float) -> Command:
        options = ("--nonblock", "--close", "--conflict-exit-code", str(BUSY))
        flock = ("flock", *options, str(self.lock()))
        return self._run(*flock, *words, timeout_s=timeout_s)

    def _play(self, playbook: str, *words: str, timeout_s: float = 900) -> Command:
        return self._run(f"./{playbook}", *words, timeout_s=timeout_s)

    def _run(self, *words: str, timeout_s: float = 900) -> Command:
        return Command(words, cwd=str(self.home), user=self.user, timeout_s=timeout_s)


def url(version: str, region: str) -> str:
    """Where Pigsty's online script gets the tree of a version ("v4.5.0") from."""
    host = "repo.pigsty.cc" if region == "china" else "repo.pigsty.io"
    return f"https://{host}/src/pigsty-{version}.tgz"


def download(address: str, target: Path) -> tuple[str, ...]:
    retry = ("--retry", "3", "--connect-timeout", "10")
    return ("curl", "--fail", "--silent", "--show-error", "--location", *retry,
            "--output", str(target), address)  # fmt: skip


def unpack(archive: Path, target: Path) -> tuple[str, ...]:
    """The tree's files directly in `target`, whatever the archive calls its one folder."""
    return ("tar", "--extract", "--file", str(archive), "--directory", str(target),
            "--strip-components", "1", "--no-same-owner")  # fmt: skip


def version_of(bootstrap: str) -> str | None:
    """The version a tree's `bootstrap` says it is, without the leading v."""
    match = _VERSION.search(bootstrap)
    return match["version"] if match else None
