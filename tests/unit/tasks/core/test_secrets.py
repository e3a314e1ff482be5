"""Secrets that anybody can read are refused, with what goes with them."""

import pytest
from pydantic import SecretStr

from config.errors import StepError
from config.load import load_environment, load_release
from tasks.core.secrets import require_private


@pytest.mark.parametrize(
    ("name", "value", "lost"),
    [("redis_password", "redis.dify", False), ("secret_key", "sk-somerandomkey", True)],
)
def test_only_with_the_key_goes_what_it_signed(name: str, value: str, lost: bool) -> None:
    release = load_release("1.15.0")
    with pytest.raises(StepError, match=f"{name} of staging: the default of a file") as refused:
        require_private(load_environment("staging"), release, {name: SecretStr(value)})
    advice = refused.value.advice
    assert advice.startswith(f"rollout secrets staging {name} --set")
    assert ("entered anew" in advice) == lost
