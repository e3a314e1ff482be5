import pytest

from tasks.tools.registry import HUB, Refusal, judge, registry_of


@pytest.mark.parametrize(
    ("reference", "host"),
    [
        ("nginx:latest", HUB),
        ("langgenius/dify-api:1.15.0", HUB),
        ("quay.io/org/image:1", "quay.io"),
        ("127.0.0.1:5000/image:1", "127.0.0.1:5000"),
        ("localhost/image:1", "localhost"),
    ],
)
def test_an_image_name_says_its_registry(reference: str, host: str) -> None:
    assert registry_of(reference) == host


@pytest.mark.parametrize(
    ("message", "refusal"),
    [
        # Docker Engine 20.10 and 28 in their own words.
        ("manifest for langgenius/dify-api:9 not found: manifest unknown", Refusal.MISSING),
        ("pull access denied for x, repository does not exist or may require 'docker login'",
         Refusal.DENIED),
        ("unauthorized: authentication required", Refusal.DENIED),
        ("write /var/lib/docker/tmp/GetImageBlob1: no space left on device", Refusal.NO_SPACE),
        ("dial tcp 127.0.0.1:5000: connect: connection refused", Refusal.PASSING),
        ("received unexpected HTTP status: 503 Service Unavailable", Refusal.PASSING),
        ("toomanyrequests: You have reached your pull rate limit", Refusal.PASSING),
        ("net/http: TLS handshake timeout", Refusal.PASSING),
    ],
)  # fmt: skip
def test_a_refusal_is_judged_by_the_engines_words(message: str, refusal: Refusal) -> None:
    assert judge(message) is refusal
    assert refusal.advice
