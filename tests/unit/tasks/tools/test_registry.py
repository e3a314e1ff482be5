import pytest

from tasks.tools.registry import Refusal, judge


@pytest.mark.parametrize(
    ("message", "refusal"),
    [
        # Docker Engine 20.10 and 28 in their own words, the last one with each image store.
        ('failed to resolve reference "r.test/org/thing:none": r.test/org/thing:none: not found',
         Refusal.MISSING),
        ('failed to resolve reference "r.test/a:1": failed to do request: Head "https://r.test/v2/":'
         " dial tcp: lookup r.test: no such host", Refusal.PASSING),
        ("failed to resolve reference \"r.test/a:1\": pull access denied, repository does not exist"
         " or may require authorization: server message: insufficient_scope: authorization failed",
         Refusal.DENIED),
        ("manifest for langgenius/dify-api:9 not found: manifest unknown", Refusal.MISSING),
        ("pull access denied for x, repository does not exist or may require 'docker login'",
         Refusal.DENIED),
        ('Head "https://10.0.0.1/v2/a/manifests/1": no basic auth credentials', Refusal.DENIED),
        ("x509: certificate signed by unknown authority", Refusal.UNTRUSTED),
        ("error parsing HTTP 429 response body: 403 denied by upstream", Refusal.PASSING),
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
