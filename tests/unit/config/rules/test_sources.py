import pytest

from config.rules.sources import Source, sources, split

PIN = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("nginx", ("docker.io", "library/nginx", "latest")),
        ("nginx:1.27", ("docker.io", "library/nginx", "1.27")),
        ("langgenius/dify-api:1.15.0", ("docker.io", "langgenius/dify-api", "1.15.0")),
        ("quay.io/org/image:1", ("quay.io", "org/image", "1")),
        ("127.0.0.1:5000/image:1", ("127.0.0.1:5000", "image", "1")),
        ("localhost/image:1", ("localhost", "image", "1")),
    ],
)
def test_an_image_name_says_its_registry(image: str, parts: tuple[str, str, str]) -> None:
    assert split(image) == parts


def test_registries_are_asked_in_the_order_given() -> None:
    registries = ["mirror.example.com:5000/hub", "origin", "quay.io"]
    assert sources("langgenius/dify-api:1.15.0", None, registries) == [
        Source("mirror.example.com:5000", "mirror.example.com:5000/hub/langgenius/dify-api:1.15.0"),
        Source("docker.io", "langgenius/dify-api:1.15.0"),
        Source("quay.io", "quay.io/langgenius/dify-api:1.15.0"),
    ]


def test_an_image_of_docker_hub_itself_lies_below_library_elsewhere() -> None:
    assert [s.reference for s in sources("nginx:1", None, ["quay.io", "origin"])] == [
        "quay.io/library/nginx:1",
        "library/nginx:1",
    ]


def test_an_image_of_another_registry_keeps_its_path() -> None:
    found = sources("quay.io/org/image:1", None, ["origin", "mirror.example.com"])
    assert [source.reference for source in found] == [
        "quay.io/org/image:1",
        "mirror.example.com/org/image:1",
    ]


def test_a_pinned_image_is_asked_for_by_digest_only() -> None:
    assert [s.reference for s in sources("quay.io/a/b:1", PIN, ["origin", "m.example.com/x"])] == [
        f"quay.io/a/b@{PIN}",
        f"m.example.com/x/a/b@{PIN}",
    ]
