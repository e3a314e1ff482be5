"""Section [sandbox] of an environment."""

from config.environment.addresses import Port
from config.environment.model import Folder, Strict


class Sandbox(Strict):
    """A complete Dify on this machine without anything installed: where it keeps its files."""

    home: Folder
    prefect_port: Port
