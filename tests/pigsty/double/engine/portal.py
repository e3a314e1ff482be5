"""The portal of a machine: certificate authority, certificate, nginx and its files."""

import contextlib
import os
import signal
import tempfile
from pathlib import Path
from typing import Any

from engine.play import CHANGED, OK, SKIPPED, Done, Failed, Task
from engine.world import Host, answers, end, pid_in, run

PID = "/run/nginx.pid"
CONF = "/etc/nginx/nginx.conf"


def authority_tasks(tree: Path) -> list[Task]:
    return [Task("ca : create ca private key and certificate", lambda _: _authority(tree), ("ca",))]


def tasks(tree: Path, modern: bool) -> list[Task]:
    """The part of infra.yml that concerns nginx and dnsmasq. nginx_reload came with 3.0."""
    listed = [
        Task("infra : create nginx dir", lambda _: OK, ("nginx_dir",)),
        Task("infra : create nginx config dir", _folders, ("nginx_config",)),
        Task("infra : render nginx config", _main, ("nginx_config",)),
        Task("infra : render nginx server conf", _servers, ("nginx_config",)),
        Task("infra : generate nginx cert", lambda host: _issue(host, tree), ("nginx_cert",)),
        Task("infra : copy nginx ssl certs", lambda host: _copy(host, tree), ("nginx_cert",)),
        Task("infra : link nginx certs", _link, ("nginx_cert",)),
        Task("infra : copy pigsty ca cert", lambda host: _publish(host, tree), ("nginx_static",)),
        Task("infra : restart nginx service", _restart, ("nginx_launch",)),
        Task("infra : sign nginx certs with certbot", _certbot, ("nginx_certbot",),
             ignore_errors=True),
        Task("infra : reload nginx service", _reload, ("nginx_reload",)),
    ]  # fmt: skip
    nginx = [Task(t.name, t.act, (*t.tags, "nginx", "infra"), t.ignore_errors) for t in listed]
    if not modern:
        nginx = [task for task in nginx if not {"nginx_reload", "nginx_certbot"} & {*task.tags}]
    return [
        *nginx,
        Task("infra : render default dns records", _dns, ("dns_record", "dns", "infra")),
    ]


def stop(host: Host) -> None:
    end(host.path(PID), signal.SIGQUIT, 3)


def _authority(tree: Path) -> Done:
    folder = tree / "files/pki/ca"
    if (folder / "ca.crt").exists():
        return OK
    for name in ("ca", "nginx", "csr"):
        (tree / "files/pki" / name).mkdir(parents=True, exist_ok=True)
    _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "7300", "-subj",
             "/O=pigsty/OU=ca/CN=pigsty-ca", "-keyout", folder / "ca.key", "-out",
             folder / "ca.crt")  # fmt: skip
    (folder / "ca.key").chmod(0o600)
    return CHANGED


def _entries(host: Host) -> dict[str, dict[str, Any]]:
    portal = host.get("infra_portal", {})
    return {name: entry for name, entry in portal.items() if entry and entry.get("domain")}


def _folders(host: Host) -> Done:
    for path in ("/etc/nginx/conf.d/cert", "/var/log/nginx", "/var/lib/nginx", "/run", "/www"):
        host.path(path).mkdir(parents=True, exist_ok=True)
    return OK


def _main(host: Host) -> Done:
    temporary = "".join(
        f"{kind}_temp_path {host.path('/var/lib/nginx')}/{kind}; "
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = (
        f"user {'root' if os.geteuid() == 0 else host.world.user};\nworker_processes 1;\n"
        f"pid {host.path(PID)};\nerror_log {host.path('/var/log/nginx/error.log')} warn;\n"
        "events { worker_connections 256; }\n"
        f"http {{\nclient_max_body_size 400m;\n{temporary}\n"
        f"access_log {host.path('/var/log/nginx/access.log')};\n"
        f"include {host.path('/etc/nginx/conf.d')}/*.conf;\n}}\n"
    )
    return CHANGED if host.write(CONF, text) else OK


def _servers(host: Host) -> Done:
    changed = False
    for name, entry in _entries(host).items():
        if name != "home" and not entry.keys() & {"endpoint", "path", "conf"}:
            raise Failed("Could not find or access 'nginx/'", item={"key": name, "value": entry})
        text = _home(host, entry) if name == "home" else _server(host, name, entry)
        changed |= host.write(f"/etc/nginx/conf.d/{name}.conf", text)
    return CHANGED if changed else OK


def _listen(host: Host, domain: str, *, http: bool = True, default: str = "") -> str:
    cert = host.path("/etc/nginx/conf.d/cert")
    plain = f"listen {host.name}:{host.port('nginx_port', 80)}{default};\n" if http else ""
    return (
        f"{plain}listen {host.name}:{host.port('nginx_ssl_port', 443)} ssl{default};\n"
        f"ssl_certificate {cert}/{domain}.crt;\nssl_certificate_key {cert}/{domain}.key;\n"
        "ssl_session_timeout 5m;\nssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;\n"
        "ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256:HIGH:!aNULL:!MD5:!RC4:!DHE;\n"
        "ssl_prefer_server_ciphers on;\n"
    )


def _home(host: Host, entry: dict[str, Any]) -> str:
    return (
        f"server {{\nserver_name {entry['domain']};\n"
        f"{_listen(host, entry['domain'], default=' default_server')}"
        f"root {host.path('/www')};\n}}\n"
    )


def _server(host: Host, name: str, entry: dict[str, Any]) -> str:
    endpoint = str(entry.get("endpoint", "")).replace("${admin_ip}", str(host.get("admin_ip")))
    upgrade = (
        "proxy_http_version 1.1;\nproxy_set_header Upgrade $http_upgrade;\n"
        'proxy_set_header Connection "upgrade";\n'
        if entry.get("websocket")
        else ""
    )
    names = " ".join([entry["domain"], *entry.get("domains", [])])
    where = (
        f"proxy_pass {entry.get('scheme', 'http')}://{name}/;\nproxy_set_header Host $host;\n"
        "proxy_set_header X-Real-Scheme $scheme;\nproxy_set_header X-Real-IP $remote_addr;\n"
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n"
        f"proxy_connect_timeout 5;\nproxy_read_timeout 120s;\nproxy_buffering off;\n{upgrade}"
        if endpoint
        else f"root {entry.get('path')};\n"
    )
    enforced = bool(host.world.modern and entry.get("enforce_https"))
    redirect = (
        f"server {{\nlisten {host.name}:{host.port('nginx_port', 80)};\nserver_name {names};\n"
        "return 301 https://$host$request_uri;\n}\n"
        if enforced
        else ""
    )
    upstream = f"upstream {name} {{ server {endpoint} max_fails=0; }}\n" if endpoint else ""
    return (
        f"{upstream}server {{\nserver_name {names};\n"
        f"{_listen(host, entry['domain'], http=not enforced)}"
        f"location / {{\n{where}}}\n{entry.get('config', '')}\n}}\n{redirect}"
    )


def _issue(host: Host, tree: Path) -> Done:
    """Once: a domain that comes later is not in it."""
    folder = tree / "files/pki/nginx"
    if (folder / "pigsty.crt").exists() and (folder / "pigsty.key").exists():
        return SKIPPED
    if not folder.exists():
        raise Failed(f"The directory '{folder}' does not exist or the file is not a directory")
    domains = {"i.pigsty": 1, **{entry["domain"]: 1 for entry in _entries(host).values()}}
    names = ",".join([*(f"DNS:{name}" for name in domains), "DNS:localhost", f"IP:{host.name}"])
    request = tree / "files/pki/csr/pigsty.csr"
    _openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/O=pigsty/OU=nginx/CN=pigsty",
             "-keyout", folder / "pigsty.key", "-out", request)  # fmt: skip
    with tempfile.NamedTemporaryFile("w", suffix=".ext") as extensions:
        extensions.write(f"subjectAltName={names}\nextendedKeyUsage=serverAuth\n")
        extensions.flush()
        authority = tree / "files/pki/ca"
        _openssl("x509", "-req", "-in", request, "-CA", authority / "ca.crt", "-CAkey",
                 authority / "ca.key", "-CAcreateserial", "-days", "397", "-extfile",
                 extensions.name, "-out", folder / "pigsty.crt")  # fmt: skip
    return CHANGED


def _copy(host: Host, tree: Path) -> Done:
    changed = False
    for name, mode in (("pigsty.crt", 0o644), ("pigsty.key", 0o640)):
        text = (tree / "files/pki/nginx" / name).read_text()
        changed |= host.write(f"/etc/nginx/conf.d/cert/{name}", text, mode)
    return CHANGED if changed else OK


def _link(host: Host) -> Done:
    cert = host.path("/etc/nginx/conf.d/cert")
    for entry in _entries(host).values():
        for kind in ("crt", "key"):
            link = cert / f"{entry['domain']}.{kind}"
            with contextlib.suppress(FileNotFoundError):
                link.unlink()
            link.symlink_to(cert / f"pigsty.{kind}")
    return CHANGED


def _publish(host: Host, tree: Path) -> Done:
    host.write("/www/index.html", "<title>Pigsty</title>\n")
    text = (tree / "files/pki/ca/ca.crt").read_text()
    return CHANGED if host.write("/www/ca.crt", text) else OK


def _restart(host: Host) -> Done:
    """With one bad file the whole portal is down afterwards."""
    stop(host)
    done = _nginx(host)
    host.note("started nginx")
    if done.returncode != 0:
        raise Failed("Unable to restart service nginx: Job for nginx.service failed because the "
                     "control process exited with error code.\n")  # fmt: skip
    if not answers(host.name, host.port("nginx_port", 80), 10):
        raise Failed("Timeout when waiting for 127.0.0.1:80", elapsed=10)
    return CHANGED


def _reload(host: Host) -> Done:
    """With one bad file the old workers go on serving."""
    if (pid := pid_in(host.path(PID))) is None:
        return _restart(host)
    if _nginx(host, "-t").returncode != 0:
        raise Failed("Unable to reload service nginx: Job for nginx.service failed.\n")
    os.kill(pid, signal.SIGHUP)
    return CHANGED


def _nginx(host: Host, *words: str):
    return run(("nginx", "-c", host.path(CONF), "-p", host.path("/etc/nginx"), *words))


def _certbot(host: Host) -> Done:
    if not host.get("certbot_sign", False):
        return SKIPPED
    raise Failed("non-zero return code", rc=1, stderr="certbot: no network")


def _dns(host: Host) -> Done:
    lines = [str(line) for line in host.get("dns_records", [])]
    text = "".join(f"{line.replace('${admin_ip}', str(host.get('admin_ip')))}\n" for line in lines)
    return CHANGED if host.write("/etc/dnsmasq.d/pigsty/default", text) else OK


def _openssl(*words: str | Path) -> None:
    done = run(("openssl", *words))
    if done.returncode != 0:
        raise Failed(f"openssl: {done.stderr.strip()}")
