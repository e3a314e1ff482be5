"""What a login's block finds wrong before it asks the server."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from blocks.logins import PostgresLogin
from clients.authority import NoCertificate
from config.load import load_environment


@pytest.mark.parametrize("content", [None, "", "-----BEGIN PRIVATE KEY-----"])
def test_an_authority_that_is_named_and_is_no_certificate_is_said(
    tmp_path: Path, content: str | None
) -> None:
    """Without it the server would be asked with whatever certificates the machine trusts."""
    path = tmp_path / "ca.crt"
    if content is not None:
        path.write_text(content)
    where = load_environment("sandbox").postgres.model_copy(
        update={"sslmode": "verify-full", "ca": str(path)}
    )
    with pytest.raises(NoCertificate) as refused:
        PostgresLogin(password=SecretStr("x")).check(where)
    assert str(refused.value) == f"postgres.ca: {path} on local is no certificate"
