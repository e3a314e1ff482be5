"""Users of an address, counted at the client: `python -m bench.load ADDRESS USERS PATH…`.

Each user asks for the paths in turn, on a new connection each, with a pause between. With the key
of an app in BENCH_KEY some of them upload files instead, some run the app and read the stream of
its events to the end, and some hold a web socket and send a packet each second; when it ends they
open another one at once, as a browser does. After the first line of stdin no stream is begun. It is
over when stdin ends: what was begun is waited for. Prints a JSON array of [when it ended, seconds,
its status or what went wrong, "short", "upload", "stream", "socket" (opened) or "packet"].
"""

import argparse
import asyncio
import json
import os
import random
import secrets
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

LONGEST_S, LONGEST_STREAM_S = 30.0, 120.0
PAUSE_S = (0.5, 1.5)
STREAMS_S = (1, 60)
UPLOADERS, STREAMERS, SOCKETS = 0.05, 0.03, 0.05  # of the users
SOCKET = "/socket.io/?EIO=4&transport=websocket"
PACKET_S, ANSWER_S = 1.0, 10.0
UPLOAD_BYTES = 200_000
Row = tuple[float, float, str, str]


@dataclass
class Load:
    """What is asked of whom, and what came of it."""

    host: str
    port: int
    paths: list[str]
    key: str
    no_streams: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    rows: list[Row] = field(default_factory=list[Row])
    number: int = 0

    async def exchange(
        self, method: str, path: str, body: bytes = b"", kind: str = ""
    ) -> tuple[str, bytes]:
        """The status and the body, once all of it is there; what went wrong instead of a status."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            head = f"{method} {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n"
            head += "Connection: close\r\n"
            if body:
                head += f"Authorization: Bearer {self.key}\r\nContent-Type: {kind}\r\n"
                head += f"Content-Length: {len(body)}\r\n"
            writer.write(head.encode() + b"\r\n" + body)
            await writer.drain()
            return status(await reader.read(-1))
        finally:
            writer.close()

    async def short(self) -> str:
        self.number += 1
        return (await self.exchange("GET", self.paths[self.number % len(self.paths)]))[0]

    async def upload(self) -> str:
        mark = secrets.token_hex(8)
        parts = (
            f'--{mark}\r\nContent-Disposition: form-data; name="user"\r\n\r\nbench\r\n--{mark}\r\n'
            'Content-Disposition: form-data; name="file"; filename="bench.txt"\r\n'
            "Content-Type: text/plain\r\n\r\n"
        )
        body = parts.encode() + b"x" * UPLOAD_BYTES + f"\r\n--{mark}--\r\n".encode()
        kind = f"multipart/form-data; boundary={mark}"
        found, _ = await self.exchange("POST", "/v1/files/upload", body, kind)
        return "200" if found == "201" else found

    async def stream(self) -> str:
        """A run of so many seconds; its stream has to end with the end of the run."""
        seconds = random.randint(*STREAMS_S)  # noqa: S311
        given = {"inputs": {"q": str(seconds)}, "user": "bench", "response_mode": "streaming"}
        body = json.dumps(given).encode()
        found, said = await self.exchange("POST", "/v1/workflows/run", body, "application/json")
        last = said.partition(b'"workflow_finished"')[2]
        return found if found != "200" or b'"status": "succeeded"' in last else "cut short"

    async def user(self, work: Callable[[], Awaitable[str]], kind: str) -> None:
        longest_s = LONGEST_STREAM_S if kind == "stream" else LONGEST_S
        over = self.no_streams if kind == "stream" else self.over
        await asyncio.sleep(random.uniform(0, PAUSE_S[1]))  # noqa: S311
        while not over.is_set():
            began = time.monotonic()
            try:
                end = await asyncio.wait_for(work(), longest_s)
            except (OSError, TimeoutError) as error:
                end = type(error).__name__
            self.note(began, end, kind)
            await asyncio.sleep(random.uniform(*PAUSE_S))  # noqa: S311

    async def socket(self) -> None:
        """A page with a web socket."""
        await asyncio.sleep(random.uniform(0, PAUSE_S[1]))  # noqa: S311
        while not self.over.is_set():
            began = time.monotonic()
            try:
                held = await connect(
                    f"ws://{self.host}:{self.port}{SOCKET}",
                    proxy=None,
                    ping_interval=None,
                    close_timeout=1,
                    open_timeout=ANSWER_S,
                )
            except (OSError, TimeoutError, WebSocketException) as error:
                self.note(began, type(error).__name__, "socket")
                await asyncio.sleep(PACKET_S)
                continue
            async with held:
                await self.speak(held, began)

    async def speak(self, held: ClientConnection, began: float) -> None:
        """Packets, each with its answer, until the web socket ends."""
        try:
            await asyncio.wait_for(held.recv(), ANSWER_S)
            self.note(began, "200", "socket")
            while not self.over.is_set():
                began = time.monotonic()
                await held.send("2")
                await asyncio.wait_for(held.recv(), ANSWER_S)
                self.note(began, "200", "packet")
                await asyncio.sleep(PACKET_S)
        except TimeoutError:
            self.note(began, "no answer", "packet")
        except ConnectionClosed:
            return  # its service was replaced, or is away: the next opening says which

    def note(self, began: float, end: str, kind: str) -> None:
        self.rows.append((time.time(), time.monotonic() - began, end, kind))

    def users(self, count: int) -> list[Awaitable[None]]:
        uploaders = round(UPLOADERS * count) if self.key else 0
        streamers = round(STREAMERS * count) if self.key else 0
        sockets = round(SOCKETS * count) if self.key else 0
        rest = count - uploaders - streamers - sockets
        return [
            *(self.user(self.upload, "upload") for _ in range(uploaders)),
            *(self.user(self.stream, "stream") for _ in range(streamers)),
            *(self.socket() for _ in range(sockets)),
            *(self.user(self.short, "short") for _ in range(rest)),
        ]


def status(answer: bytes) -> tuple[str, bytes]:
    """Of a whole answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode(errors="replace").lower().split("\r\n")
    length = next((line for line in lines if line.startswith("content-length:")), None)
    short = length and len(body) != int(length.partition(":")[2])
    chunked = "transfer-encoding: chunked" in lines
    if short or (chunked and not body.endswith(b"0\r\n\r\n")):
        return "cut short", body
    return (lines[0].split(" ")[1] if " " in lines[0] else "no answer"), body


async def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("address")
    parser.add_argument("users", type=int)
    parser.add_argument("paths", nargs="+")
    given = parser.parse_args()
    place = urlsplit(str(given.address))
    load = Load(
        place.hostname or "", place.port or 80, given.paths, os.environ.get("BENCH_KEY", "")
    )
    asking = asyncio.gather(*load.users(given.users))
    await asyncio.to_thread(sys.stdin.readline)
    load.no_streams.set()
    await asyncio.to_thread(sys.stdin.read)
    load.over.set()
    await asking
    print(json.dumps(load.rows))


if __name__ == "__main__":
    asyncio.run(main())
