"""When `rollout sandbox` believes that the run it follows has ended."""

from datetime import UTC, datetime, timedelta

import pytest
from prefect.client.schemas.objects import State
from prefect.states import Completed, Crashed, Failed, Running

from cli.sandbox import _is_over  # pyright: ignore[reportPrivateUsage]
from config.rules.heartbeat import HEARTBEAT_S


@pytest.mark.parametrize(
    ("state", "age_s", "over"),
    [
        (Running(), 900, False),
        (Completed(), 0, True),
        (Failed(), 0, True),
        (Crashed(), 0, False),  # its next heartbeat may put that right
        (Crashed(), 3 * HEARTBEAT_S, True),
    ],
)
def test_a_run_is_over(state: State[None], age_s: float, over: bool) -> None:
    state.timestamp = datetime.now(UTC) - timedelta(seconds=age_s)  # pyright: ignore
    assert _is_over(state) is over
