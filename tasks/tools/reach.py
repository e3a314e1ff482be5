"""The question whether a container of Dify gets into its servers, and its answer.

They are PostgreSQL, Redis and, where files are kept there, the object store.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

# The store is trusted as boto3 does, and asked without keys: those were tried from the machine.
# With Dify's drivers and variables; of those PGVECTOR_*, which name the same server: in some
# releases DB_PASSWORD is encoded. libpq keeps no SQLSTATE of a login that failed, so the server
# is asked for it by its protocol (SSLRequest, StartupMessage).
_PROGRAM = r"""
import errno, json, os, socket, ssl, struct, sys
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, build_opener
import psycopg2, redis
from redis.sentinel import Sentinel

WITHIN_S = 5
given = os.environ

def code_of(trouble):
    if isinstance(trouble, socket.gaierror):
        return {"kind": "name", "code": trouble.errno}
    if isinstance(trouble, socket.timeout):
        return {"kind": "os", "code": errno.ETIMEDOUT}
    return {"kind": "os", "code": None if isinstance(trouble, ssl.SSLError) else trouble.errno}

def startup(host, port):
    words = ["user", given["PGVECTOR_USER"], "database", given["PGVECTOR_DATABASE"]]
    body = struct.pack("!i", 3 << 16) + "\0".join(words).encode() + b"\0\0"
    with socket.create_connection((host, port), WITHIN_S) as stream:
        stream.sendall(struct.pack("!ii", 8, 80877103))
        if stream.recv(1) == b"S":
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            stream = context.wrap_socket(stream)
        stream.sendall(struct.pack("!i", len(body) + 4) + body)
        answer = stream.recv(4096)
    fields = {part[:1]: part[1:].decode() for part in answer[5:].split(b"\0")}
    return fields.get(b"C") if answer[:1] == b"E" else None

def postgres(host, port):
    try:
        psycopg2.connect(
            host=host, port=port, user=given["PGVECTOR_USER"], dbname=given["PGVECTOR_DATABASE"],
            password=given["PGVECTOR_PASSWORD"], connect_timeout=WITHIN_S,
            options="-c timezone=UTC",
        ).close()
    except psycopg2.OperationalError as error:
        try:
            code = {"kind": "sqlstate", "code": startup(host, port)}
        except OSError as trouble:
            code = code_of(trouble)
        lines = str(error).strip().splitlines()
        said = [line for line in lines if "failed:" in line] or lines[:1]
        return {"said": said[-1].rpartition("failed:")[2].replace("FATAL:", "").strip(), **code}

def cache():
    options = {
        "username": given.get("REDIS_USERNAME") or None,
        "password": given.get("REDIS_PASSWORD") or None,
        "db": int(given.get("REDIS_DB") or 0),
        "socket_timeout": WITHIN_S, "socket_connect_timeout": WITHIN_S,
    }
    if given.get("REDIS_USE_SENTINEL") != "true":
        return redis.Redis(given["REDIS_HOST"], int(given["REDIS_PORT"]), **options)
    places = [place.rsplit(":", 1) for place in given["REDIS_SENTINELS"].split(",")]
    asked = {"password": given.get("REDIS_SENTINEL_PASSWORD") or None, "socket_timeout": WITHIN_S}
    sentinel = Sentinel([(host, int(port)) for host, port in places], sentinel_kwargs=asked)
    return sentinel.master_for(given["REDIS_SENTINEL_SERVICE_NAME"], **options)

def events(*_):
    try:
        cache().ping()
    except redis.RedisError as error:
        kinds = [kind for kind in type(error).__mro__ if kind.__module__ == "redis.exceptions"]
        return {"said": str(error)[:200], "kind": "redis", "code": kinds[0].__name__}

def address():
    region, bucket = given.get("S3_REGION", ""), given["S3_BUCKET_NAME"]
    base = urlsplit(given.get("S3_ENDPOINT") or f"https://s3.{region}.amazonaws.com")
    own = f"{bucket}." if given.get("S3_ADDRESS_STYLE") == "virtual" else ""
    return base._replace(netloc=own + base.netloc, path="/" if own else f"/{bucket}")

def authorities():
    if given.get("AWS_CA_BUNDLE"):
        return given["AWS_CA_BUNDLE"]
    try:
        import certifi
    except ImportError:
        return None
    return certifi.where()

class NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None

def store(*_):
    context = ssl.create_default_context(cafile=authorities())
    opener = build_opener(HTTPSHandler(context=context), NoRedirect())
    try:
        try:
            answer = opener.open(address().geturl(), timeout=WITHIN_S)
        except HTTPError as error:
            answer = error  # it answers who shows no keys
        with answer:
            text = f"{answer.headers}{answer.read(2000).decode(errors='replace')}"
        return {"said": text, "kind": "http", "code": answer.status}
    except HTTPException as error:
        return {"said": f"it answers without HTTP: {error!r}"[:200], "kind": "http", "code": None}
    except OSError as error:
        trouble = error.reason if isinstance(error, URLError) else error
        return {"said": str(trouble)[:200], **code_of(trouble)}

def own_address(host, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect((host, int(port)))
        except OSError:
            return ""
        return asking.getsockname()[0]

def answer(server, host, port, trouble):
    return {"server": server, "at": f"{host}:{port}", "own": own_address(host, port), **trouble}

asked = [("PostgreSQL", given["PGVECTOR_HOST"], port, postgres) for port in sys.argv[1:]]
asked.append(("Redis", given["REDIS_HOST"], given["REDIS_PORT"], events))
if given.get("STORAGE_TYPE") == "s3":
    place = address()
    port = place.port or (443 if place.scheme == "https" else 80)
    asked.append(("the object store", place.hostname, port, store))
found = [(server, host, port, ask(host, port)) for server, host, port, ask in asked]
print(json.dumps([answer(*each) for each in found if each[-1]]))
"""

# Its errors are XML, and most such services have a header of Amazon's on every answer.
_S3 = re.compile(r"(?im)^x-amz-(request-id|id-2):|<Error\b[^>]*>\s*<Code>")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a container does not get into a server.

    `own`: the container's address. `code`: by its `kind` a SQLSTATE, the name of redis-py's
    exception, an errno, that of a name that is not found, an HTTP status; None where nobody says.
    """

    server: Literal["PostgreSQL", "Redis", "the object store"]
    at: str
    own: str
    said: str
    kind: Literal["sqlstate", "redis", "os", "name", "http"]
    code: Any


def ask(ports: Iterable[int]) -> list[str]:
    """Prints what keeps the container out of each; PostgreSQL is asked at each of the ports."""
    return ["python3", "-c", _PROGRAM, *dict.fromkeys(map(str, ports))]


def parse(output: str) -> list[Trouble]:
    """What the program printed last, but for answers of an S3 service.

    Raises:
        ValueError: nothing that it would print.
    """
    lines = output.strip().splitlines()
    found = [Trouble(**each) for each in json.loads(lines[-1] if lines else "")]
    return [_told(each) for each in found if not _of_s3(each)]


def _of_s3(found: Trouble) -> bool:
    """Whether a service answered that speaks S3, and not a proxy before it."""
    return found.kind == "http" and _S3.search(found.said) is not None


def _told(found: Trouble) -> Trouble:
    if found.kind != "http" or found.code is None:
        return found
    return replace(found, said=f"what answers there (HTTP {found.code}) is no S3 service")
