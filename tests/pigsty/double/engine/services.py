"""What answers on a machine beside PostgreSQL: pgbouncer, HAProxy and the exporter only take
connections, Patroni says over HTTP what the machine's patroni.json has it say.
"""

import json
import os
import signal
import socketserver
import subprocess
import sys
import threading
import time
from pathlib import Path

from engine.world import Host, answers, end, pid_in

PATRONI = 8008


def start(host: Host, name: str, *ports: int) -> None:
    """It answers on the ports; one that does already goes on."""
    path = host.path(f"/run/{name}.pid")
    if pid_in(path):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    words = [sys.executable, "-m", "engine.services", host.name, str(host.root), *map(str, ports)]
    process = subprocess.Popen(
        words, cwd=host.root, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    path.write_text(str(process.pid))
    for port in ports:
        answers(host.name, port, 10)


def stop(host: Host, name: str) -> None:
    end(host.path(f"/run/{name}.pid"), signal.SIGKILL)


class Silent(socketserver.BaseRequestHandler):
    """Takes the connection and says nothing."""

    def handle(self) -> None: ...


class Patroni(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while self.rfile.readline().strip():
            pass
        now = time.time()
        said = {"state": "running", "role": "primary", "dcs_last_seen": now}
        path = Path(os.environ["DOUBLE_ROOT"]) / "patroni.json"
        if path.exists():
            said |= json.loads(path.read_text())
        body = json.dumps(said).encode()
        head = f"HTTP/1.0 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def main(address: str, root: str, *ports: str) -> None:
    os.environ["DOUBLE_ROOT"] = root
    servers = [Server((address, int(p)), Patroni if int(p) == PATRONI else Silent) for p in ports]
    for server in servers[1:]:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    servers[0].serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
