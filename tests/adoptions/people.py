"""What people get at a domain of the double's portal while something happens to it."""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.addresses import ELSEWHERE, elsewhere

EVERY_S, WITHIN_S = 0.05, 5


@dataclass
class Watch:
    """Status and Retry-After of each answer, with the time it came; -1 where none came."""

    place: tuple[str, int]
    domain: str
    answers: list[tuple[float, int, str | None]] = field(default_factory=list)
    page: threading.Event = field(default_factory=threading.Event)

    @property
    def statuses(self) -> set[int]:
        return {status for _, status, _ in self.answers}

    @property
    def retry_after(self) -> set[str | None]:
        """Of the page."""
        return {after for _, status, after in self.answers if status == 503}

    @property
    def away_s(self) -> float:
        """From the first answer that was not Dify's to the last."""
        times = [when for when, status, _ in self.answers if status != 200]
        return times[-1] - times[0] if times else 0.0

    def ask(self) -> None:
        status, after = -1, None
        with suppress(OSError, http.client.HTTPException):
            status, after = self._answer()
        self.answers.append((time.monotonic(), status, after))
        if status == http.HTTPStatus.SERVICE_UNAVAILABLE:
            self.page.set()

    def _answer(self) -> tuple[int, str | None]:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        plain = socket.create_connection(self.place, WITHIN_S, source_address=(ELSEWHERE, 0))
        connection = http.client.HTTPConnection(*self.place)
        with context.wrap_socket(plain, server_hostname=self.domain) as connection.sock:
            connection.request("GET", "/console/api/setup", headers={"Host": self.domain})
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.headers["Retry-After"]


@contextmanager
def watched(place: tuple[str, int], domain: str) -> Generator[Watch]:
    """People ask all the time."""
    watch, over = Watch(place, domain), threading.Event()

    def go_on() -> None:
        while not over.wait(EVERY_S):
            watch.ask()

    asking = threading.Thread(target=go_on)
    with elsewhere():
        asking.start()
        try:
            yield watch
        finally:
            over.set()
            asking.join()
