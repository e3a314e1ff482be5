"""An environment uses other databases of the only Redis cluster that Pigsty keeps on a machine."""

from collections.abc import Generator, Mapping
from typing import Any

import pytest
from pydantic import SecretStr

from tasks.core.site import Site
from tasks.core.step import Change
from tasks.points.landing import forget_jobs
from tasks.steps.redis import dify_redis
from tasks.steps.table import PARTS
from tests.conftest import PigstyDouble
from tests.integration.pigsty.conftest import deploy

PASSWORD = "Not.Published.1"
KEYS = {0: {"a session": "1"}, 1: {"celery": "a job"}}


def site(double: PigstyDouble, **redis: Any) -> Site:
    made = double.site(redis=redis)
    return made.replace(secrets={**made.secrets, "redis_password": SecretStr(PASSWORD)})


def keys(there: Site) -> dict[int, dict[str, str]]:
    """Database → what that Dify has in it."""
    found: dict[int, dict[str, str]] = {}
    for number, broker in ((0, False), (1, True)):
        with dify_redis(there, broker=broker).client() as client:
            untyped: Any = client
            found[number] = {name: untyped.get(name) for name in untyped.keys("*")}
    return found


@pytest.fixture
def there(double: PigstyDouble) -> Generator[Site]:
    """A Dify with sessions and a job that waits, as the recipe leaves it: 64 MB, may evict."""
    path = double.tree / "pigsty.yml"
    before = path.read_text()
    host = f"{double.addresses[0]}: {{ redis_node: 1, redis_instances: {{ 6379: {{}} }} }}"
    cluster = f"redis_cluster: redis-dify, redis_password: {PASSWORD}, redis_max_memory: 64MB"
    group = f"    redis-dify: {{ hosts: {{ {host} }}, vars: {{ {cluster} }} }}\n"
    assert "  vars:\n    version" in before
    path.write_text(before.replace("  vars:\n    version", f"{group}  vars:\n    version"))
    done = double.run("bin/redis-add", "redis-dify")
    assert done.returncode == 0, done.stdout + done.stderr
    made = site(double)
    for number, broker in ((0, False), (1, True)):
        with dify_redis(made, broker=broker).client() as client:
            values: Mapping[Any, Any] = KEYS[number]
            client.mset(values)
    yield made
    path.write_text(before)


def test_that_it_may_evict_is_a_change_of_a_plan_and_not_in_its_way(
    there: Site, double: PigstyDouble
) -> None:
    own = site(double, database=2, broker_database=3)
    planned = [each for part in PARTS["redis"](own) for each in part.plan(part.observe())]
    assert [type(each) for each in planned] == [Change]
    assert "maxmemory-policy" in planned[0].what


def test_the_other_databases_are_taken_and_these_left_alone(
    there: Site, double: PigstyDouble
) -> None:
    own = site(double, database=2, broker_database=3)
    pid = double.pid("redis-dify-1-6379")
    changes = deploy(own, (PARTS["configure"], PARTS["redis"]))
    assert not [each for each in changes if each.startswith("make Redis")]
    assert double.pid("redis-dify-1-6379") == pid
    with dify_redis(own, broker=True).client() as client:
        client.set("celery", "ours")
    forget_jobs(own)
    assert keys(there) == KEYS and set(keys(own)) == {0, 1} and not any(keys(own).values())
