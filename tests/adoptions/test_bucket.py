"""A Dify whose files are in a bucket is taken over with the bucket as it is, and given back."""

from collections.abc import Generator
from typing import Any

import pytest

from tasks.adoption import plan, way_back
from tasks.core.site import Site
from tasks.probes.verify.run import failed, verify
from tests.integration.adopting import (
    adoption,
    contents,
    host_image,
    logs_in,
    people_see,
    recipe,
    states,
    taker,
)
from tests.s3 import KEY, SECRET, Store, s3_service

FILES, PLUGINS = "dify-files", "dify-plugins"
SECRETS = {"s3_access_key": KEY, "s3_secret_key": SECRET}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Generator[Store]:
    with s3_service(tmp_path_factory.mktemp("s3"), (FILES, PLUGINS)) as found:
        yield found


@pytest.fixture(scope="module")
def storage(store: Store) -> dict[str, Any]:
    return {
        "kind": "s3",
        "endpoint": store.url,
        "bucket": FILES,
        "plugin_bucket": PLUGINS,
        "address_style": "path",
    }


@pytest.fixture(scope="module")
def bucketed(
    module_sandbox_site: Any, tmp_path_factory: pytest.TempPathFactory, storage: dict[str, Any]
) -> Generator[Site]:
    folder = tmp_path_factory.mktemp("points") / "repository"
    more = {"storage": storage, "secrets": SECRETS}
    with recipe(module_sandbox_site, folder, host_image(), **more) as site:
        yield site


def test_the_bucket_serves_on_and_no_file_is_copied(
    bucketed: Site, module_sandbox_site: Any, store: Store, storage: dict[str, Any]
) -> None:
    there, bucket, project = bucketed, store.folder / FILES, bucketed.environment.dify.project
    before, keys = people_see(there, bucket), contents(bucket / "privkeys")
    assert keys
    with taker(module_sandbox_site, there, SECRETS, storage=storage) as own:
        local = own.environment.storage.model_copy(update={"kind": "local"})
        other = own.replace(environment=own.environment.model_copy(update={"storage": local}))
        [refused] = plan.outcome(other, plan.look(other, project), drilled=True).blocked
        assert f"storage.bucket = '{FILES}', storage.plugin_bucket = '{PLUGINS}'" in refused.do
        wrong = own.replace(secrets={**own.secrets, "s3_secret_key": own.secrets["redis_password"]})
        [refused] = plan.outcome(wrong, plan.look(wrong, project), drilled=True).blocked
        assert refused.why.startswith(f"the object store refuses {FILES} at {store.url}")

        report = adoption(own, project).carry_out(drilled=True, keep_days=7)
        assert report.proved.startswith("proved by a drill in")
        assert people_see(own, bucket) == before and failed(verify(own, deep=True)) is None
        assert not list(own.environment.dify.data.rglob("private.pem"))
        assert contents(bucket / "privkeys") == keys
        way_back.go_back(own)
        assert set(states(there).values()) == {"running"} and logs_in(there, project)
        assert people_see(there, bucket) == before
