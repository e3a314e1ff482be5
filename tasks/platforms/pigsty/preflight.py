"""What stands in the way of a rollout on Pigsty, found before pigsty.yml is touched. Only reads."""

from collections.abc import Iterator

from clients.command import Command
from clients.redis import RedisRefused, RedisUnreachable
from config.desired.inventory.conflicts import open_rules
from config.desired.inventory.document import read
from config.desired.inventory.groups import find
from config.desired.inventory.merge import merge
from config.errors import ConfigError, RolloutError, StepError
from config.rules.finding import Reading, Status, bad, good
from tasks.core.site import Site
from tasks.platforms.pigsty.domain import FreeDomain
from tasks.platforms.pigsty.facts import cluster, desired, instances_of, nodes_of
from tasks.platforms.pigsty.leader import require_leader
from tasks.platforms.pigsty.machines import Machine
from tasks.platforms.pigsty.redis import instance
from tasks.platforms.pigsty.tree import inventory, inventory_path, tree
from tasks.platforms.pigsty.variables import variables
from tasks.tools.pigsty import Tree

KNOCK_S = 2.0
SIGN = "roles/infra/templates/nginx/sign-cert.j2"


def readings(site: Site) -> list[Reading]:
    """Of the admin node, its tree, its inventory, and the machines that do not answer."""
    try:
        known = [*_admin(site), *_tree(site), *_inventory(site)]
        # Who is to be asked stands in the inventory, and how: one that is wrong tells neither.
        return [
            *known,
            *(_beyond(site) if all(each.status is Status.OK for each in known) else []),
        ]
    except RolloutError as error:
        detail = f"{site.admin.name} cannot be asked: {error}"
        return [bad("nodes.admin", detail, advice="mend nodes.admin")]


def _admin(site: Site) -> Iterator[Reading]:
    name = site.admin.name
    if site.admin.is_root():
        yield good("sudo", f"root on {name}")
    elif site.admin.attempt(Command(("sudo", "-n", "true"), changes=False)).status == 0:
        yield good("sudo", f"without password on {name}")
    else:
        yield bad(
            "sudo",
            f"the user on {name} may not become root without a password",
            advice="Pigsty needs that: log in as its admin user, or allow it in /etc/sudoers.d",
        )


def _tree(site: Site) -> Iterator[Reading]:
    pigsty, found = site.environment.pigsty, tree(site)
    if found is None and site.admin.mode(pigsty.home) is not None:
        yield bad(
            "pigsty.home",
            f"{pigsty.home} on {site.admin.name} is there and is no tree of Pigsty",
            advice="mend pigsty.home or nodes.admin, or move it away",
        )
    elif found is None:
        yield good("pigsty.home", f"{pigsty.version} will be put there")
    else:
        yield good("pigsty.home", f"Pigsty {found.version} at {found.home}")
    if found and pigsty.certbot and site.admin.mode(pigsty.home / SIGN) is None:
        yield bad(
            "pigsty.certbot",
            f"Pigsty {found.version} has no certbot: {SIGN} is not in its tree",
            advice="set pigsty.certbot to false, or use Pigsty 3.4 or newer",
        )
    ansible = site.admin.which("ansible-playbook")
    yield good("ansible", ansible or "will be installed by bootstrap")


def _inventory(site: Site) -> Iterator[Reading]:
    """That it can be edited at all, tried on its text."""
    text = inventory(site)
    if text is None:
        yield good("pigsty.yml", "will be made by configure")
        return
    try:
        merge(text, desired(site), str(inventory_path(site)), variables(site))
    except ConfigError as error:
        for problem in error.problems:
            advice = "mend it or the environment; nothing was changed"
            yield bad("pigsty.yml", problem, advice=advice)
        return
    document = read(text).tree
    if find(document, "infra") is None:
        problem = "has no group infra, as Pigsty's template slim: no portal and no certificates"
        advice = (
            "add the group infra as in conf/meta.yml and run infra.yml, or name an environment "
            'with platform.kind = "external"'
        )
        yield bad("pigsty.yml", problem, advice=advice)
        return
    opened = [] if site.environment.pigsty.narrow_world else open_rules(document, desired(site))
    way = ["pigsty.narrow_world = true has a deploy narrow that"] if opened else []
    yield good("pigsty.yml", "; ".join(["sound", *opened, *way]))


def _beyond(site: Site) -> Iterator[Reading]:
    yield from _leader(site)
    yield from _foreign_redis(site)
    yield from _domain(site)
    yield from _machines(site)


def _leader(site: Site) -> Iterator[Reading]:
    """That a cluster which is there takes writes; a failover is waited for."""
    try:
        require_leader(site, "preflight")
    except StepError as error:
        yield bad("PostgreSQL", error.cause, advice=error.advice)


def _foreign_redis(site: Site) -> Iterator[Reading]:
    """Where a Redis is to be made somebody else's may answer: it does not take our password."""
    name, pigsty = site.name, site.environment.pigsty
    known = cluster(site, pigsty.redis_cluster) is not None
    if known or "redis_password" not in site.secrets:
        return
    for address, port in instances_of(site, pigsty.redis_cluster):
        if _is_free_or_ours(site, address, port):
            continue
        yield bad(
            "redis.port",
            f"{address}:{port} is taken, and pigsty.yml has no cluster {pigsty.redis_cluster}",
            advice=f"set redis.port or pigsty.redis_nodes in config/environments/{name}.toml to "
            f"others; if it is of a Dify to be taken over into them: rollout adopt {name}",
        )


def _is_free_or_ours(site: Site, address: str, port: int) -> bool:
    try:
        with instance(site, address, port).client():
            return True
    except RedisUnreachable:
        return bool(site.admin.knock(address, port, KNOCK_S))
    except RedisRefused:
        return False


def _domain(site: Site) -> Iterator[Reading]:
    """The step of the portal would refuse it, once the rest is done."""
    step = FreeDomain(site)
    for each in step.plan(step.observe()):
        yield bad("portal.domain", each.why, advice=each.do)


def _machines(site: Site) -> Iterator[Reading]:
    """Who does not answer as what it should be has to be reached by Ansible, and be mended.

    Before there is an inventory, `configure` and the first playbook find out.
    """
    found = tree(site) if inventory(site) else None
    if found:
        yield from (_reached(site, found, address) for address in dict.fromkeys(_silent(site)))


def _silent(site: Site) -> Iterator[str]:
    environment = site.environment
    pigsty, portal = environment.pigsty, environment.portal
    if site.admin.knock(environment.postgres.host, environment.postgres.port, KNOCK_S):
        yield from nodes_of(site, pigsty.pg_cluster) or pigsty.pg_nodes
    for address, port in instances_of(site, pigsty.redis_cluster):
        if site.admin.knock(address, port, KNOCK_S):
            yield address
    if site.admin.knock(pigsty.admin_ip, portal.http_port, KNOCK_S):
        yield pigsty.admin_ip


def _reached(site: Site, found: Tree, address: str) -> Reading:
    """As root, by Ansible where the inventory knows the machine, else whether ssh answers."""
    name = f"machine {address}"
    text = inventory(site) or ""
    if address not in text or not site.admin.which("ansible"):
        if trouble := site.admin.knock(address, 22, KNOCK_S):
            advice = "start it, or mend the addresses in [pigsty]"
            return bad(name, f"ssh does not answer: {trouble}", advice=advice)
        return good(name, "ssh answers")
    try:
        done = Machine(site, found, address, "preflight").run(("id", "-u"))
    except RolloutError as error:
        return bad(name, str(error).removeprefix("preflight: "))
    if done.stdout.strip() != "0":
        advice = "Pigsty needs sudo without a password there"
        return bad(name, done.stderr.strip() or "not root", advice=advice)
    return good(name, "reached as root")
