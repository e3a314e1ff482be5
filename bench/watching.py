"""What a stack shows while it is changed: its memory, and when nginx is led elsewhere."""

import threading
import time
from contextlib import suppress
from typing import Self

from clients.docker import Docker, NotRunning
from clients.docker_engine import DockerUnusable
from config.desired.stack import ROUTES, routes_digest
from config.environment import Environment
from tasks.steps.routes import ADDRESS
from tasks.steps.stack_nginx import among

# Asking takes the engine's time, which those who are measured want.
SELDOM_S = 5


class Watching:
    """`most`: bytes that all containers used at most. `switch_s`: from each time that other routes
    were written until nginx answered by them, as a question in its container says.
    """

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.most, self.switch_s = 0, list[float]()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=each) for each in (self._memory, self._routes)]

    def __enter__(self) -> Self:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for each in self._threads:
            each.join()

    def _memory(self) -> None:
        docker = Docker()
        while not self._over.wait(SELDOM_S):
            found = docker.running(self.environment.dify.project)
            with suppress(DockerUnusable):  # one has ended meanwhile
                self.most = max(self.most, sum(docker.memory(one.id) for one in found))

    def _routes(self) -> None:
        path, docker = self.environment.dify.home / ROUTES, Docker()
        seen = path.stat().st_mtime
        while not self._over.wait(0.05):
            written = path.stat().st_mtime
            if written == seen:
                continue
            seen, wanted = written, routes_digest(path.read_text())
            while not self._over.is_set() and self._read(docker) != wanted:
                continue
            self.switch_s.append(round(time.time() - written, 2))

    def _read(self, docker: Docker) -> str:
        nginx = among(docker.containers(self.environment.dify.project))
        with suppress(NotRunning):
            if nginx:
                return docker.execute(nginx.id, ["curl", "-fsS", "-m", "1", ADDRESS])[1]
        return ""
