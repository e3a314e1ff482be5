import base64
from urllib.parse import quote

import pytest
from pydantic import SecretStr

from config.load import load_environment, load_release
from tasks.core.masking import masked
from tasks.core.site import Site

PASSWORD = "p&ss w/rd%1"


@pytest.mark.parametrize(
    "written",
    [PASSWORD, quote(PASSWORD, safe=""), base64.b64encode(PASSWORD.encode()).decode()],
)
def test_a_secret_is_hidden_however_a_service_writes_it(written: str) -> None:
    environment = load_environment("prod")
    release = load_release(environment.dify.release)
    site = Site(environment, release, {"database_password": SecretStr(PASSWORD)})
    said = masked(f"cannot connect to postgresql://dify:{written}@db/dify", site)
    assert said == "cannot connect to postgresql://dify:***@db/dify"
