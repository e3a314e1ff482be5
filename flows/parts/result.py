"""What a flow or task came to."""

from typing import Any, cast

from prefect.client.schemas.objects import State

from config.errors import RolloutError


def result_of(ended: Any) -> Any:
    """The result or, of a state, the state's; what it failed with is raised.

    Raises:
        RolloutError: what it failed with.
    """
    if isinstance(ended, RolloutError):
        raise ended
    if not isinstance(ended, State):
        return ended
    state = cast(State[Any], ended)
    if state.is_completed() and state.data is None:
        return None  # which Prefect takes for a result that was lost
    result = state.result(raise_on_failure=False)
    if isinstance(result, Exception):
        raise result
    return result
