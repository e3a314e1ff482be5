"""What OpenSSH 9.2 and sudo 1.9 really said, and what becomes of it."""

import pytest

from clients.node import NodeError, NodeRefused, NodeUnreachable
from clients.ssh import explain

SAID: list[tuple[str, type[NodeError], str]] = [
    (
        "No ED25519 host key is known for [127.0.0.1]:2222 and you have requested strict checking."
        "\nHost key verification failed.\r\n",
        NodeRefused,
        "n: its host key is not known: Host key verification failed.",
    ),
    (
        "@@@@@@@@@@@\r\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n"
        "Host key verification failed.\r\n",
        NodeRefused,
        "n: its host key is not the one that is known: "
        "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @",
    ),
    (
        "Warning: Permanently added '10.0.0.1' (ED25519) to the list of known hosts.\r\n"
        "root@10.0.0.1: Permission denied (publickey,password).\r\n",
        NodeRefused,
        "n: it does not accept our key: root@10.0.0.1: Permission denied (publickey,password).",
    ),
    (
        "Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures\r\n",
        NodeRefused,
        "n: it does not accept our keys: "
        "Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures",
    ),
    (
        "ssh: Could not resolve hostname node1: Name or service not known\r\n",
        NodeUnreachable,
        "n cannot be reached: Could not resolve hostname node1: Name or service not known",
    ),
    (
        "ssh: connect to host 10.0.0.1 port 22: Connection timed out\r\n",
        NodeUnreachable,
        "n cannot be reached: connect to host 10.0.0.1 port 22: Connection timed out",
    ),
    (
        "kex_exchange_identification: Connection closed by remote host\r\n"
        "Connection closed by 10.0.0.1 port 22\r\n",
        NodeUnreachable,
        "n cannot be reached: Connection closed by 10.0.0.1 port 22",
    ),
    (
        "/root/.ssh/config: line 3: Bad configuration option: hostnam\r\n"
        "/root/.ssh/config: terminating, 1 bad configuration options\r\n",
        NodeRefused,
        "n: ssh does not understand its configuration: "
        "/root/.ssh/config: line 3: Bad configuration option: hostnam",
    ),
    (
        "mux_client_request_session: session request failed: Session open refused by peer\r\n"
        "sudo: a password is required\n",
        NodeRefused,
        "n: sudo -n does not let this user run commands: sudo: a password is required",
    ),
    (
        "sudo: sorry, you must have a tty to run sudo\n",
        NodeRefused,
        "n: sudo -n does not let this user run commands: "
        "sudo: sorry, you must have a tty to run sudo",
    ),
    ("", NodeUnreachable, "n cannot be reached: ssh ended without a word"),
]


@pytest.mark.parametrize(("said", "kind", "sentence"), SAID, ids=[s for _, _, s in SAID])
def test_each_refusal_is_one_sentence_and_an_advice(
    said: str, kind: type[NodeError], sentence: str
) -> None:
    error = explain("n", said)
    assert type(error) is kind
    first, advice = str(error).splitlines()
    assert first == sentence
    assert advice.startswith("  do: ")
