"""This machine as root, for a user who may become root by sudo."""

from clients.node import NodeError, NodeRefused
from clients.shell import ShellNode


class SudoNode(ShellNode):
    """Every command through `sudo -n`: nobody is there to type a password."""

    def shell(self, words: list[str]) -> list[str]:
        return ["sudo", "-n", "--", *words]

    def refusal(self, said: str) -> NodeError:
        lines = said.strip().splitlines() or ["sudo ended without a word"]
        return NodeRefused(
            f"{self.name}: sudo -n does not let this user run commands: {lines[-1]}\n"
            "  do: allow it NOPASSWD in sudoers, or run as root"
        )

    def reach(self, host: str, port: int) -> tuple[str, int]:
        return host, port
