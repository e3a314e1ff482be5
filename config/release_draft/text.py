"""The text of a draft: the nearest file with what is certain put in, and the rest marked."""

import json
import re
from collections.abc import Iterator, Mapping

from config.release_draft.differences import Differences
from config.release_draft.source import Described

MARK = "# DECIDE:"
LOGIN = re.compile(r"://[^/\s]*@")


def draft(version: str, nearest: str, text: str, found: Differences) -> str:
    """`text` is the file of the release `nearest`. What it says is kept where nothing differs.

    Its hand steps, at the end, are its own: no upgrade to another release takes them.
    """
    text = text.partition("\n[[steps]]")[0]
    text = text.replace(f'version = "{nearest}"', f'version = "{version}"', 1)
    text = re.sub(r"^run = .*$", "run = []", text, count=1, flags=re.MULTILINE)
    text = re.sub(r"^read = .*$", f'read = "source tree of {version}"', text, count=1, flags=re.M)
    text = re.sub(r"\A(#.*\n)+", _head_lines(version, nearest), text)
    for role, image in found.images.items():
        line = f"{role} = {json.dumps(image)}"
        text, changed = re.subn(rf"^{role} = \"[^\"]*\"$", line, text, count=1, flags=re.M)
        text = text if changed else _into(text, "images", [line])
    if found.secrets:
        text = _into(text, "secrets", [_secret(key) for key in found.secrets])
    if found.head:
        text = re.sub(r"^head = .*$", f'head = "{found.head}"', text, count=1, flags=re.M)
    return text.rstrip("\n") + "\n\n" + "\n".join(_rest(nearest, found)) + "\n"


def _head_lines(version: str, nearest: str) -> str:
    return (
        f"# Dify {version}: a draft from its source tree, beside {nearest}. Somebody has to\n"
        "# settle each line marked DECIDE, rehearse it, and run the real images.\n"
    )


def _secret(key: str) -> str:
    name = key.lower()
    return (
        f'{name} = {{ form = "letters", length = 32 }}  '
        f"{MARK} its form; does another secret hold it already?"
    )


def _rest(nearest: str, found: Differences) -> Iterator[str]:
    yield f"{MARK} [postgres] and [redis]: what it runs on is what {nearest} runs on, copied"
    yield f"{MARK} steps: what an upgrade to it takes beside its migration; none are copied"
    yield from (
        f"{MARK} no service {name} there any more; here it still runs" for name in found.removed
    )
    for name, keys in found.added.items():
        yield f"{MARK} {name} is given these, too, with their defaults there:"
        yield from (f"#   {key} = {json.dumps(value)}" for key, value in keys.items())
    if found.unknown:
        yield f"{MARK} named by nothing there: renamed, removed, or read by code only:"
        yield f"#   {', '.join(found.unknown)}"
    yield from (
        f"{MARK} route {path} to {to or 'what a variable names'}"
        for path, to in found.routes.items()
    )
    yield from (f"{MARK} no route {path or '/'} there any more" for path in found.lost_routes)
    if found.queues:
        yield f"{MARK} the worker's queues there (never pinned here): {', '.join(found.queues)}"
    if not found.head:
        yield f"{MARK} migration.head: the tree has no migrations, or not one head"
    if found.secrets:
        yield "\n[env.new]"
        yield from (f'{key} = "{{{{ secret.{key.lower()} }}}}"' for key in found.secrets)
    for name, service in found.services.items():
        yield from _service(name, found.roles[name], service, found.holders)


def _service(name: str, role: str, service: Described, holders: Mapping[str, str]) -> Iterator[str]:
    yield f"\n{MARK} what {name} is for, and whether it runs without being asked for"
    yield f"[services.{name}]"
    yield f'image = "{role}"'
    yield f'switch = "{name}"'
    if service.port:
        yield f"port = {service.port}"
    yield f"memory_mb = 1024  {MARK} not measured"
    if service.networks:
        yield f"{MARK} networks there: {', '.join(service.networks)}"
    if service.health:
        yield f"health = {{ command = {json.dumps(list(service.health))} }}"
    if service.volumes:
        yield f"{MARK} a [state] for each, and who writes it: {', '.join(service.volumes)}"
    if service.environment:
        yield f"[services.{name}.environment]"
    for key, value in service.environment.items():
        said = f"${{{holders[key]}}}" if key in holders else value
        open_point = f"  {MARK} a password in it" if LOGIN.search(said) else ""
        yield f"{key} = {json.dumps(said)}{open_point}"


def _into(text: str, section: str, lines: list[str]) -> str:
    """At the end of the section, before the empty line."""
    start = text.index(f"[{section}]")
    end = text.find("\n\n", start)
    return text[:end] + "\n" + "\n".join(lines) + text[end:]
