"""Docker Engine of this machine, started by the step itself where nothing has yet."""

from blocks.docker import Docker
from config.load import load_environment, load_release
from tasks.docker import Engine
from tasks.site import Site
from tasks.step import converge


def started() -> Docker:
    environment = load_environment("sandbox")
    converge(Engine(Site(environment, load_release(environment.dify.release), {})))
    return Docker()


if __name__ == "__main__":
    started()
