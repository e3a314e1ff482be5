"""What one question of preflight came to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One question asked of a machine. `advice` says what to do when it is not `ok`."""

    name: str
    ok: bool
    detail: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.detail}" + (f"; {self.advice}" if self.advice else "")
