"""How Dify is spoken to: encoding, cookies, headers, events, and what is said of errors."""

import base64
import json
import socket
import ssl
import threading
import traceback
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import httpx
import pytest

from clients.dify import Dify, DifyError
from clients.dify.graphs import Graph, echo, reverse
from clients.dify.knowledge import Indexing
from clients.dify.session import encoded
from clients.dify.workflow import events
from config.load import load_release

PASSWORDS = ["abc12345", "p@ss wörd1", 'it\'s "5" $(id)', "🙂🙂🙂1", "ends=in=1=="]
Answer = Callable[[httpx.Request], httpx.Response]


def dify(answer: Answer, version: str = "1.15.0") -> Dify:
    api = load_release(version).api
    return Dify("https://dify.test", api, transport=httpx.MockTransport(answer))


def logged_in(cookie: str) -> tuple[Dify, list[httpx.Request]]:
    """A client after a login that set its cookies under this prefix, and what it asked."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if request.url.path.endswith("/login"):
            names = ("access_token", "refresh_token", "csrf_token")
            cookies = [("set-cookie", f"{cookie}{n}={n}-1; Path=/; Secure") for n in names]
            return httpx.Response(200, json={"result": "success"}, headers=cookies)
        return httpx.Response(200, json={"email": "a@b.c", "data": {"status": "succeeded"}})

    client = dify(answer)
    client.login("a@b.c", "secret-pw-1")
    return client, asked


@pytest.mark.parametrize("password", PASSWORDS)
def test_1x_takes_the_password_in_base64(password: str):
    sent: dict[str, Any] = {}

    def answer(request: httpx.Request) -> httpx.Response:
        sent.update(json.loads(request.content))
        cookies = {"set-cookie": "csrf_token=c; Path=/"}
        return httpx.Response(200, json={"result": "success"}, headers=cookies)

    dify(answer).login("a@b.c", password)
    assert base64.b64decode(sent["password"], validate=True).decode() == password
    assert encoded(password) == sent["password"]


@pytest.mark.parametrize("password", PASSWORDS)
def test_06_takes_the_password_as_it_is_and_answers_with_a_token(password: str):
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={"result": "success", "data": "token-1", "email": "a@b.c"})

    client = dify(answer, "0.6.11")
    client.login("a@b.c", password)
    client.profile()
    assert json.loads(asked[0].content)["password"] == password
    assert asked[1].headers["authorization"] == "Bearer token-1"
    assert "x-csrf-token" not in asked[1].headers


@pytest.mark.parametrize("prefix", ["", "__Host-"])
def test_every_console_request_carries_the_csrf_token_of_either_cookie(prefix: str):
    client, asked = logged_in(prefix)
    client.profile()
    assert asked[-1].headers["x-csrf-token"] == "csrf_token-1"
    assert f"{prefix}access_token=access_token-1" in asked[-1].headers["cookie"]


def test_a_run_carries_the_apps_key_and_no_csrf_token():
    client, asked = logged_in("__Host-")
    client.workflows.run("app-key", {"q": "x"}, "someone")
    assert asked[-1].headers["authorization"] == "Bearer app-key"
    assert "x-csrf-token" not in asked[-1].headers


def test_a_session_without_the_cookie_is_noticed_at_login():
    with pytest.raises(DifyError, match="no csrf_token cookie"):
        dify(lambda _: httpx.Response(200, json={"result": "success"})).login("a@b.c", "pw")


def test_an_account_without_a_workspace_is_noticed_at_login():
    told = {"result": "fail", "data": "workspace not found"}
    with pytest.raises(DifyError, match="workspace not found"):
        dify(lambda _: httpx.Response(200, json=told)).login("a@b.c", "pw")


def test_setup_passes_the_gate_only_where_it_is_closed():
    asked: list[str] = []
    gates = iter(["not_started", "finished"])

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.method} {request.url.path}")
        told = {"status": next(gates)} if request.method == "GET" else {"result": "success"}
        return httpx.Response(200, json=told)

    for _ in range(2):
        dify(answer).setup("a@b.c", "admin", "pw123456", "en-US", "init")
    gate = "GET /console/api/init"
    setup = "POST /console/api/setup"
    assert asked == [gate, "POST /console/api/init", setup, gate, setup]


@pytest.mark.parametrize(
    ("response", "sentence"),
    [
        (
            httpx.Response(401, json={"code": "unauthorized", "message": "Invalid token."}),
            "GET /console/api/setup: status 401: Invalid token.",
        ),
        (
            httpx.Response(502, html="<html><h1>502 Bad Gateway</h1></html>"),
            "GET /console/api/setup: status 502: Bad Gateway (text/html)",
        ),
        (
            httpx.Response(500, text="no such\n table"),
            "GET /console/api/setup: status 500: no such table",
        ),
        (
            httpx.Response(200, html="<html>the wrong site</html>"),
            "GET /console/api/setup: not the answer of Dify's API",
        ),
        (
            httpx.Response(308, headers={"location": "https://elsewhere"}),
            "GET /console/api/setup: status 308: Permanent Redirect (no content type)",
        ),
    ],
)
def test_what_went_wrong_is_one_sentence(response: httpx.Response, sentence: str):
    with pytest.raises(DifyError) as wrong:
        dify(lambda _: response).status()
    assert str(wrong.value) == sentence


CANARY = "canary-5ecret"


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.login("a@b.c", CANARY),
        lambda client: client.setup("a@b.c", "n", CANARY, "en-US", CANARY),
        lambda client: client.workflows.run(CANARY, {"q": "x"}, "u"),
        lambda client: list(client.workflows.stream(CANARY, {"q": "x"}, "u", 1)),
    ],
)
@pytest.mark.parametrize("lost", [True, False])
def test_no_error_contains_password_key_or_token(ask: Callable[[Dify], Any], lost: bool):
    def answer(request: httpx.Request) -> httpx.Response:
        if lost:
            raise httpx.ReadTimeout("late", request=request)
        return httpx.Response(400, json={"message": "no"})

    with pytest.raises(DifyError) as wrong:
        ask(dify(answer))
    text = "".join(traceback.format_exception(wrong.value, limit=0))
    assert "no answer within 30 s" in text if lost else "status 400: no" in text
    assert CANARY not in text
    assert encoded(CANARY) not in text


def test_events_are_read_as_they_come():
    seen: list[str] = []

    def lines():
        for line in ("event: ping", "", 'data: {"event":"workflow_started"}', "", ":", "rest"):
            seen.append(line)
            yield line

    told = events(lines())
    assert next(told) == {"event": "ping"}
    assert seen == ["event: ping", ""]
    assert next(told) == {"event": "workflow_started"}
    assert list(told) == []


def test_an_event_may_span_lines_and_omit_the_space():
    assert list(events(['data:{"event":', 'data:"message"}', ""])) == [{"event": "message"}]


def test_an_event_that_is_not_json_is_an_error():
    with pytest.raises(DifyError, match="not JSON"):
        list(events(["data: <html>", ""]))


def streamed(*told: dict[str, Any]) -> Dify:
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in told)
    return dify(lambda _: httpx.Response(200, text=body))


def test_a_stream_that_ends_early_is_an_error():
    client = streamed({"event": "workflow_started", "data": {}})
    with pytest.raises(DifyError, match="ended without workflow_finished"):
        list(client.workflows.stream("k", {}, "u", 5))


def test_an_error_event_is_an_error():
    client = streamed({"event": "error", "message": "queue is full"})
    with pytest.raises(DifyError, match="queue is full"):
        list(client.workflows.stream("k", {}, "u", 5))


def test_nothing_but_pings_is_noticed_in_time():
    body = "event: ping\n\n" * 3
    client = dify(lambda _: httpx.Response(200, text=body))
    with pytest.raises(DifyError, match="did not end in time"):
        list(client.workflows.stream("k", {}, "u", 0))


def test_a_refused_stream_says_why():
    client = dify(lambda _: httpx.Response(401, json={"message": "Access token is invalid"}))
    with pytest.raises(DifyError, match="status 401: Access token is invalid"):
        list(client.workflows.stream("k", {}, "u", 5))


def test_a_failed_run_says_why():
    told = {"data": {"status": "failed", "error": "node pick: boom", "outputs": None}}
    client = dify(lambda _: httpx.Response(200, json=told))
    with pytest.raises(DifyError, match="the run failed: node pick: boom"):
        client.workflows.run("k", {}, "u")


@pytest.mark.parametrize("graph", [echo(), reverse()])
def test_the_graph_is_connected_from_start_to_end(graph: Graph):
    names = [node["id"] for node in graph["nodes"]]
    assert [(e["source"], e["target"]) for e in graph["edges"]] == list(pairwise(names))
    types = {node["id"]: node["data"]["type"] for node in graph["nodes"]}
    for edge in graph["edges"]:
        assert edge["data"]["sourceType"] == types[edge["source"]]
        assert edge["data"]["targetType"] == types[edge["target"]]


def test_an_error_of_indexing_is_told():
    told = {"data": [{"indexing_status": "error", "error": "file not found in storage"}]}
    client = dify(lambda _: httpx.Response(200, json=told))
    with pytest.raises(DifyError, match="file not found in storage"):
        client.knowledge.wait(Indexing("d", "b"), 5)


def test_a_document_that_waits_forever_is_given_up():
    told = {"data": [{"indexing_status": "waiting"}]}
    client = dify(lambda _: httpx.Response(200, json=told))
    with pytest.raises(DifyError, match="still waiting after 0 s"):
        client.knowledge.wait(Indexing("d", "b"), 0)


def test_it_connects_to_the_given_address_and_names_the_domain():
    """No DNS knows dify.invalid: Host and SNI still carry it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        heard: list[bytes] = []

        def listen() -> None:
            connection, _ = server.accept()
            with connection:
                heard.append(connection.recv(65536))
                body = b'{"step":"finished"}'
                head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
                connection.sendall(head % len(body) + body)

        thread = threading.Thread(target=listen)
        thread.start()
        port = server.getsockname()[1]
        api = load_release("1.15.0").api
        with Dify(f"http://dify.invalid:{port}", api, resolve=("127.0.0.1", port)) as client:
            assert client.status().set_up
        thread.join()
    assert f"Host: dify.invalid:{port}\r\n".lower().encode() in heard[0].lower()


def test_tls_asks_for_the_domain_not_the_address():
    named: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.sni_callback = lambda _s, name, _c: named.append(name)

        def listen() -> None:
            connection, _ = server.accept()
            with connection, pytest.raises(ssl.SSLError):
                context.wrap_socket(connection, server_side=True)

        thread = threading.Thread(target=listen)
        thread.start()
        port = server.getsockname()[1]
        api = load_release("1.15.0").api
        with (
            Dify(f"https://dify.invalid:{port}", api, resolve=("127.0.0.1", port)) as client,
            pytest.raises(DifyError),
        ):
            client.status()
        thread.join()
    assert named == ["dify.invalid"]


def test_nobody_there_is_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    api = load_release("1.15.0").api
    with (
        Dify(f"http://dify.invalid:{port}", api, resolve=("127.0.0.1", port)) as client,
        pytest.raises(DifyError, match="Connection refused") as wrong,
    ):
        client.status()
    assert wrong.value.status == 0


def test_a_server_that_ends_idle_connections_costs_no_request():
    """As nginx does when it is reloaded, here after each answer and without a word of it."""
    body = b'{"step": "finished"}'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for _ in range(3):
                connection, _address = server.accept()
                connection.recv(65536)
                connection.sendall(head % len(body) + body)
                threading.Timer(0.2, connection.close).start()

        threading.Thread(target=serve, daemon=True).start()
        port = server.getsockname()[1]
        with Dify(f"http://127.0.0.1:{port}", load_release("1.15.0").api) as client:
            for _ in range(3):
                assert client.session.json("POST", "/console/api/x") == {"step": "finished"}
