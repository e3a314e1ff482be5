"""Users of an address, counted at the client: `python -m bench.load ADDRESS USERS PATH…`.

Each user asks for the paths in turn, on a new connection each, with a pause between; it is over
when stdin ends. Prints a JSON array of [when it ended, seconds, its status or what went wrong].
"""

import asyncio
import json
import random
import sys
import time
from urllib.parse import urlsplit

LONGEST_S = 30.0
PAUSE_S = (0.5, 1.5)
Row = tuple[float, float, str]


async def request(host: str, port: int, path: str) -> str:
    """The status, once the whole body is there."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        head = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode())
        await writer.drain()
        answer, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
        lines = answer.decode(errors="replace").lower().split("\r\n")
        length = next((line for line in lines if line.startswith("content-length:")), None)
        if length and len(body) != int(length.partition(":")[2]):
            return "cut short"
        chunked = "transfer-encoding: chunked" in lines
        if chunked and not body.endswith(b"0\r\n\r\n"):
            return "cut short"
        return lines[0].split(" ")[1] if " " in lines[0] else "no answer"
    finally:
        writer.close()


async def user(host: str, port: int, paths: list[str], rows: list[Row]) -> None:
    await asyncio.sleep(random.uniform(0, PAUSE_S[1]))  # noqa: S311
    number = random.randrange(len(paths))  # noqa: S311
    while True:
        number += 1
        began = time.monotonic()
        try:
            end = await asyncio.wait_for(request(host, port, paths[number % len(paths)]), LONGEST_S)
        except (OSError, TimeoutError) as error:
            end = type(error).__name__
        rows.append((time.time(), time.monotonic() - began, end))
        await asyncio.sleep(random.uniform(*PAUSE_S))  # noqa: S311


async def main() -> None:
    address, users, *paths = sys.argv[1:]
    place, rows = urlsplit(address), list[Row]()
    asking = [
        asyncio.create_task(user(place.hostname or "", place.port or 80, paths, rows))
        for _ in range(int(users))
    ]
    await asyncio.to_thread(sys.stdin.read)
    for each in asking:
        each.cancel()
    print(json.dumps(rows))


if __name__ == "__main__":
    asyncio.run(main())
