"""What stands in the way of taking over the files of somebody else's Dify."""

from config.rules.adoptable import Found
from config.rules.upgrade import Obstacle


def obstacles(found: Found) -> list[Obstacle]:
    """Everything that a person has to settle, so that its files are where the environment looks."""
    asked = (_storage, _bucket, _folder, _inside, _closed, _packages)
    return [each for each in (ask(found) for ask in asked) if each]


def _storage(found: Found) -> Obstacle | None:
    if found.store or found.storage in ("", "local", "opendal"):
        return None
    return Obstacle(
        f"its uploads are in a service that no environment can use (STORAGE_TYPE {found.storage})",
        "copy them into a folder or an S3 bucket by that service's tools and let that Dify use it, "
        "or deploy beside it and move apps by Dify's export",
    )


def _bucket(found: Found) -> Obstacle | None:
    """A bucket is not copied: both use it, one after the other."""
    store, name = found.store, found.environment
    if not store or found.inside or (found.here and found.here.is_that_of(store)):
        return None
    keys = {
        "kind": "s3",
        "endpoint": store.endpoint,
        "region": store.region,
        "bucket": store.bucket,
        "plugin_bucket": store.plugins or "(another one, for its plugins)",
        "address_style": store.style,
    }
    return Obstacle(
        f"its uploads are in the bucket {store.bucket} of {store.endpoint or 'AWS'}, where they "
        f"stay, and [storage] of {name} names another place",
        f"set in config/environments/{name}.toml "
        + ", ".join(f"storage.{key} = {value!r}" for key, value in keys.items())
        + f", and give its keys: rollout secrets {name} s3_access_key --set, and s3_secret_key",
    )


def _inside(found: Found) -> Obstacle | None:
    if not found.inside:
        return None
    return Obstacle(
        f"its uploads are in a bucket of its own container {found.inside}, which is stopped with "
        "it",
        "copy the bucket to a service that stays (rclone sync), set S3_ENDPOINT in its .env to "
        "that, and start it",
    )


def _closed(found: Found) -> Obstacle | None:
    if not found.closed:
        return None
    return Obstacle(
        found.closed, f"rollout secrets {found.environment} s3_access_key --set, and s3_secret_key"
    )


def _packages(found: Found) -> Obstacle | None:
    if not found.store or not found.here or not found.packages:
        return None
    return Obstacle(
        f"packages of its plugins are in {found.packages}, and {found.environment} has them in the "
        f"bucket {found.here.plugins}",
        "copy the folders plugin, plugin_packages and assets from there into that bucket (rclone "
        "copy), set PLUGIN_STORAGE_TYPE=aws_s3 and PLUGIN_* of that bucket in its .env, and start "
        "it",
    )


def _folder(found: Found) -> Obstacle | None:
    if found.storage == "s3" or not found.here:
        return None
    return Obstacle(
        f"its uploads are in a folder, and storage.kind of {found.environment} is 's3'",
        "set it to 'local' for the adoption",
    )
