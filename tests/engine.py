"""Docker Engine of this machine, started by the step itself where nothing has yet."""

from clients.docker import Docker
from config.load import load_environment, load_release
from tasks.core.site import Site
from tasks.core.step import converge
from tasks.steps.docker import Engine


def started() -> Docker:
    environment = load_environment("sandbox")
    converge(Engine(Site(environment, load_release(environment.dify.release), {})))
    return Docker()


if __name__ == "__main__":
    started()
