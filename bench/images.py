"""Measures bundle and load against what people do by hand; the table is in docs/performance.md.

    uv run python bench/images.py

The images: the sandbox's six rehearsal images (Debian packages on a common base; run `make sandbox`
first) and one of 500 MB of its own: two layers from this machine's /usr and one of 60 MB that does
not compress, as wheels and fonts in real images do not. By hand: `docker save IMAGE | gzip -9` for
each image, and `gzip -d | docker load`. Loads go into empty engines of their own. The memory is
that of a process that has Prefect imported, as a flow run's has.
"""

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from clients.docker import Docker
from clients.node import LocalNode
from config.desired.services import images
from config.load import ROOT, load_environment, load_release

BRIDGE = "rollout-bench"
LARGE = "dify-rollout/bench:500mb"
MB = 1_000_000
RUNS = 3
OURS = """
import resource, sys
from pathlib import Path
from clients.docker import Docker
from clients.node import LocalNode
from tasks.images import bundle_loader, bundle_reader, bundle_writer
class Node(LocalNode):
    def docker_url(self): return sys.argv[3]
path = Path(sys.argv[2])
if sys.argv[1] == "bundle":
    import flows.images
    bundle_writer.write(Docker(), sys.argv[4:], path, environment="bench", release="bench")
else:
    bundle_loader.load(bundle_reader.opened(path), {"bench": Docker(Node())})
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


class EngineNode(LocalNode):
    """This machine with another engine."""

    def __init__(self, folder: Path) -> None:
        self.url = f"unix://{folder}/docker.sock"

    def docker_url(self) -> str | None:
        return self.url


@contextmanager
def empty_engine() -> Generator[str]:
    """Where an engine with no image at all listens."""
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir="/var/tmp"))
    words = [
        "dockerd", f"--host=unix://{folder}/docker.sock", f"--data-root={folder}/data",
        f"--exec-root={folder}/exec", f"--pidfile={folder}/pid",
        f"--config-file={folder}/daemon.json", f"--bridge={BRIDGE}",
        "--iptables=false", "--ip-forward=false", "--ip-masq=false",
    ]  # fmt: skip
    (folder / "daemon.json").write_text("{}")
    # Without a bridge of its own an engine removes the machine's docker0.
    subprocess.run(["ip", "link", "add", BRIDGE, "type", "bridge"], check=True)
    subprocess.run(["ip", "addr", "add", "10.211.0.1/30", "dev", BRIDGE], check=True)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        while Docker(EngineNode(folder)).trouble():
            time.sleep(0.1)
        yield f"unix://{folder}/docker.sock"
    finally:
        process.terminate()
        process.wait()
        subprocess.run(["ip", "link", "delete", BRIDGE], check=True)
        shutil.rmtree(folder, ignore_errors=True)


def make_large(docker: Docker) -> None:
    """The image of 500 MB, unless it is there."""
    if docker.image(LARGE):
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, (source, limit) in enumerate((("/usr/lib", 290), ("/usr/share", 150))):
            fill(folder / f"{number}.tar", Path(source), limit * MB)
        noise = random.Random(1).randbytes(60 * MB)  # noqa: S311
        with tarfile.open(folder / "2.tar", "w") as archive:
            entry = tarfile.TarInfo("noise")
            entry.size = len(noise)
            archive.addfile(entry, BytesIO(noise))
        lines = ["FROM scratch", *(f"ADD {n}.tar /{n}/" for n in range(3))]
        (folder / "Dockerfile").write_text("\n".join(lines) + "\n")
        docker.build(name, LARGE, {}, {})


def fill(path: Path, source: Path, limit: int) -> None:
    """A tar of files below `source`, up to `limit` bytes."""
    total = 0
    with tarfile.open(path, "w") as archive:
        for file in sorted(source.rglob("*")):
            if file.is_symlink() or not file.is_file():
                continue
            size = file.stat().st_size
            if total + size > limit:
                continue
            total += size
            archive.add(file, str(file.relative_to(source)))


def ours(action: str, path: Path, engine: str, *names: str) -> tuple[float, float]:
    """Seconds, and MB of memory at most."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", OURS, action, str(path), engine, *names],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": "."}, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return time.monotonic() - began, int(done.stdout) * 1024 / MB


def by_hand(pipe: str, *words: str) -> float:
    began = time.monotonic()
    subprocess.run(["bash", "-o", "pipefail", "-c", pipe, "-", *words], check=True)
    return time.monotonic() - began


def main() -> None:
    docker, environment = Docker(), load_environment("sandbox")
    make_large(docker)
    release = load_release(environment.dify.release)
    names = [*images(environment, release).values(), LARGE]
    with tempfile.TemporaryDirectory(prefix="bench-", dir="/var/tmp") as name:
        folder = Path(name)
        path = folder / "bundle"
        written = [ours("bundle", path, "", *names) for _ in range(RUNS)]
        loaded: list[tuple[float, float]] = []
        for _ in range(RUNS):
            with empty_engine() as engine:
                loaded.append(ours("load", path, engine))
        # This machine's engine has them all.
        command = 'rollout images load "$1" sandbox >&2'
        again = statistics.median(by_hand(command, str(path)) for _ in range(RUNS))
        archives = [folder / f"{number}.tar.gz" for number in range(len(names))]
        save, load = 'docker save "$1" | gzip -9 > "$2"', 'gzip -d < "$1" | docker load -q >&2'
        saved = sum(by_hand(save, n, str(a)) for n, a in zip(names, archives, strict=True))
        with empty_engine() as engine:
            os.environ["DOCKER_HOST"] = engine
            unpacked = sum(by_hand(load, str(archive)) for archive in archives)
            del os.environ["DOCKER_HOST"]
        bundle_s = statistics.median(seconds for seconds, _ in written)
        load_s = statistics.median(seconds for seconds, _ in loaded)
        result = {
            "images, MB": [round((docker.image(n) or sys.exit(n)).size / MB) for n in names],
            "bundle, s": bundle_s,
            "docker save | gzip -9, s": saved,
            "bundle: times faster": saved / bundle_s,
            "bundle, MB": path.stat().st_size / MB,
            "gzip -9, MB": sum(archive.stat().st_size for archive in archives) / MB,
            "load, s": load_s,
            "gzip -d | docker load, s": unpacked,
            "load: times faster": unpacked / load_s,
            "second load, s": again,
            "memory at most, MB": max(memory for _, memory in written + loaded),
        }
    print(json.dumps({k: v if isinstance(v, list) else round(v, 2) for k, v in result.items()}))


if __name__ == "__main__":
    main()
