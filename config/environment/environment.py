"""One environment, whose sections agree."""

from typing import Self

from pydantic import model_validator

from config.environment.cross_checks import check
from config.environment.model import refuse
from config.environment.sections import Sections


class Environment(Sections):
    """One environment: the whole desired state, minus secrets."""

    @model_validator(mode="after")
    def sections_agree(self) -> Self:
        refuse(check(self))
        return self

    @property
    def sentinel_master(self) -> str:
        """The name under which Sentinels know Redis; Pigsty gives them that of its cluster."""
        pigsty = self.platform.kind == "pigsty"
        return self.pigsty.redis_cluster if pigsty else self.redis.sentinel_master

    @property
    def public_url(self) -> str:
        """Where people open Dify, without a trailing slash."""
        scheme, port, usual = (
            ("https", self.portal.https_port, 443)
            if self.portal.tls
            else ("http", self.portal.http_port, 80)
        )
        return f"{scheme}://{self.portal.domain}" + ("" if port == usual else f":{port}")
