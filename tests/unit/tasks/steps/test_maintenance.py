"""What a page that cannot be shown means for the work behind it."""

import pytest

from clients.files import Unwritable
from clients.node import ConnectionLost, LockLost
from clients.running import Cancelled
from config.errors import RolloutError, StepError
from tasks.steps.maintenance import dispensable

SAID = "portal: people see no page of maintenance: the disk is full"


@pytest.mark.parametrize(
    "error",
    [
        StepError("portal", "the disk is full", advice="make room"),
        Unwritable("the disk is full", 28),
        ConnectionLost("the disk is full"),
    ],
)
def test_it_is_a_warning(error: RolloutError, caplog: pytest.LogCaptureFixture) -> None:
    with dispensable():
        raise error
    assert [record.message for record in caplog.records] == [SAID]


@pytest.mark.parametrize("error", [Cancelled(), LockLost("another run has it")])
def test_a_run_that_is_to_end_ends(error: RolloutError) -> None:
    with pytest.raises(type(error)), dispensable():
        raise error
