"""Pigsty's own app of Dify, set up by its `app.yml` from its `conf/app/dify.yml`.

The compose file is Pigsty's; the images are stand-ins. Where a stand-in lacks the program that the
file starts, the service is given another one.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from string import Template
from typing import Any

import yaml
from ruamel.yaml import YAML

from tasks.core.site import Site
from tests.integration.adopting import YAML_FILE, host_image, redis_service
from tests.pigsty.lab.foreign import Place, ran, roles_and_databases, running, served
from tests.pigsty.lab.site import LabSite

PROJECT, RELEASE, ROLE = "dify-app", "1.15.0", "dify"
PORT = 5001  # of its nginx and, by the same key, of its API: it runs with no other
STAND_INS = {
    "busybox:latest": "dify-rollout/rehearsal-base",
    "ubuntu/squid:latest": "ubuntu/squid:6.6-24.04_beta",
    "nginx:latest": "nginx:1.28",
}
NGINX = "events {}\nhttp {\n    include /etc/nginx/conf.d/*.conf;\n}\n"
FILLED_IN = {
    "NGINX_PORT": "80",
    "NGINX_SERVER_NAME": "_",
    "NGINX_SOCKET_IO_UPSTREAM": "api_websocket:5001",
    "NGINX_PROXY_READ_TIMEOUT": "3600s",
    "NGINX_PROXY_SEND_TIMEOUT": "3600s",
    "ACME_CHALLENGE_LOCATION": "",
    "HTTPS_CONFIG": "",
}
Tree = dict[str, Any]


@contextmanager
def pigstys_app(site: LabSite, home: Path) -> Generator[Site]:
    """It runs, served by Pigsty's portal, and has data of people."""
    place = Place(PROJECT, home / "opt", home / "data", RELEASE, ROLE)
    _configure(site, place)
    roles_and_databases(site, ROLE, "dify", "dify_plugin")
    ran(site, "./app.yml", "-l", "dify")
    served(site)
    _use_stand_ins(place.folder)
    with running(site, place) as there:
        yield there


def _configure(site: LabSite, place: Place) -> None:
    """The inventory says what the template says, with the lab's addresses and folders."""
    text = (site.lab.tree / "conf/app/dify.yml").read_text()
    said: Tree = yaml.safe_load(text.replace("10.10.10.10", site.lab.address))["all"]
    group, cluster = said["children"]["dify"]["vars"], said["children"]["pg-meta"]["vars"]
    app: Tree = group["apps"]["dify"]
    app["dest"] = str(place.folder)
    app["conf"]["DIFY_DATA"] = app["file"][0]["path"] = str(place.data)
    site.lab.group("dify", site.lab.address, {}, **group)
    site.lab.cluster(
        **{name: cluster[name] for name in ("pg_users", "pg_databases", "pg_hba_rules")}
    )
    entry: Tree = said["vars"]["infra_portal"]["dify"]
    site.lab.portal(dify=entry | {"endpoint": f"{site.gateway}:{PORT}"})


def _use_stand_ins(folder: Path) -> None:
    tree: Tree = YAML(typ="safe").load(folder / YAML_FILE)
    services: Tree = tree["services"]
    for service in services.values():
        service["image"] = STAND_INS.get(service["image"], service["image"])
    services["redis"] = redis_service(host_image())
    squid = {
        "entrypoint": ["squid", "-N", "-f", "/etc/squid/squid.conf"],
        "user": "13:13",
        "volumes": [],
    }
    services["ssrf_proxy"] |= squid
    filled = _filled_in(folder / "nginx", FILLED_IN)
    services["nginx"] |= {"entrypoint": ["nginx", "-g", "daemon off;"], "volumes": filled}
    with (folder / YAML_FILE).open("w") as file:
        YAML().dump(tree, file)


def _filled_in(folder: Path, values: Mapping[str, str]) -> list[str]:
    """Its nginx's files as its entrypoint makes them from its templates, and where they go."""
    for name in ("conf.d/default.conf", "proxy.conf"):
        text = (folder / f"{name}.template").read_text()
        (folder / name).write_text(Template(text).safe_substitute(values))
    (folder / "nginx.conf").write_text(NGINX)
    names = ("nginx.conf", "proxy.conf", "conf.d")
    return [f"{folder / name}:/etc/nginx/{name}:ro" for name in names]
