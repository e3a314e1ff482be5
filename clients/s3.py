"""A bucket of an S3 service, as a node reaches it."""

import re
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr

from clients import curl
from clients.node import LocalNode, Node
from config.errors import Passing, Refusal, RolloutError

TIMEOUT_S = 10.0
# S3 wants the digest of the body signed, that of no body too.
_NO_BODY = "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


class StoreUnreachable(RolloutError, Passing):
    """Nobody answered: asking again may help."""


class StoreRefused(RolloutError, Refusal):
    """The service answered and does not let us at the bucket: asking again changes nothing."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where it is, and what opens it. `endpoint` is empty for AWS.

    `authority`: the only one to trust (PEM); empty: those that the node trusts.
    `address`: the endpoint's, where DNS is not asked for it.
    """

    endpoint: str
    region: str
    name: str
    path_style: bool
    access_key: SecretStr
    secret_key: SecretStr
    node: Node = field(default_factory=LocalNode)
    authority: str = ""
    address: str = ""

    def __str__(self) -> str:
        return f"{self.name} at {self.endpoint or f'AWS {self.region}'}"

    @property
    def url(self) -> str:
        base = self.endpoint or f"https://s3.{self.region}.amazonaws.com"
        parts = urlsplit(base.rstrip("/"))
        if self.path_style:
            return urlunsplit(parts._replace(path=f"{parts.path}/{self.name}"))
        return urlunsplit(parts._replace(netloc=f"{self.name}.{parts.netloc}", path="/"))

    def check(self) -> str:
        """List the bucket; what that came to.

        Raises:
            StoreUnreachable: no answer, for now.
            StoreRefused: wrong keys, no such bucket, not allowed.
            RolloutError: no answer that asking again would get, like one nobody here trusts.
        """
        keys = f"{self.access_key.get_secret_value()}:{self.secret_key.get_secret_value()}"
        request = {
            "url": f"{self.url}?list-type=2&max-keys=1",
            "user": keys,
            "aws-sigv4": f"aws:amz:{self.region}:s3",
            "header": _NO_BODY,
            "noproxy": "*",  # Dify goes there without one
        }
        if self.address:
            found = urlsplit(self.url)
            port = found.port or (443 if found.scheme == "https" else 80)
            request["resolve"] = f"{found.hostname}:{port}:{self.address}"
        try:
            answer = curl.ask(self.node, request, TIMEOUT_S, self.authority)
        except curl.NoAnswer as error:
            kind = StoreUnreachable if error.passes else RolloutError
            raise kind(f"the object store {self} does not answer: {error}") from None
        if answer.status == HTTPStatus.OK:
            return "the bucket can be listed with these keys"
        raise StoreRefused(f"the object store refuses {self}: {_why(answer)}")


def _why(answer: curl.Answered) -> str:
    """Code and sentence of S3's answer."""
    found = [re.search(rf"<{name}>([^<]*)</{name}>", answer.body) for name in ("Code", "Message")]
    words = [part[1] for part in found if part and part[1]]
    return ": ".join(words) or f"HTTP status {answer.status}"
