"""What the server is told to mask: Prefect hides a table's values only if each of them is named."""

import pytest

from blocks.login import Login
from blocks.repository import BackupRepository
from blocks.secrets import DifySecrets


@pytest.mark.parametrize(
    ("block", "hidden"),
    [
        (DifySecrets, ["values.*"]),
        (BackupRepository, ["password", "credentials.*"]),
        (Login, ["password"]),
    ],
)
def test_every_secret_of_a_block_is_hidden(block, hidden) -> None:
    assert block.model_json_schema()["secret_fields"] == hidden
