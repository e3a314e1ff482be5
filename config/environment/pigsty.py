"""Section [pigsty] of an environment."""

from typing import Annotated, Literal

from pydantic import Field

from config.environment.addresses import Address, Addresses, Senders
from config.environment.forms import Cluster, PigstyTemplate, PigstyVersion
from config.environment.model import Folder, Strict


class Pigsty(Strict):
    """Where Pigsty is, and what of it is Dify's.

    Empty node lists say that the cluster stands in pigsty.yml already.
    """

    home: Folder
    version: PigstyVersion
    region: Literal["default", "china"]
    source: str
    packages: str
    template: PigstyTemplate
    admin_ip: Address
    pg_cluster: Cluster
    pg_version: Annotated[int, Field(ge=0, le=30)]
    pg_nodes: Addresses
    pg_senders: Senders
    narrow_world: bool
    redis_cluster: Cluster
    redis_mode: Literal["standalone", "replica", "sentinel"]
    redis_nodes: Addresses
    certbot: bool
    domain_record: Literal["dnsmasq", "hosts", "none"]

    @property
    def sentinel_cluster(self) -> str:
        """The group of the Sentinels that watch `redis_cluster`."""
        return f"{self.redis_cluster}-sentinel"
