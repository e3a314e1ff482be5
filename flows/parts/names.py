"""The names of the steps, in the order of a rollout; light to import."""

STEPS = (
    "preflight",
    "bootstrap",
    "configure",
    "install",
    "docker",
    "pgsql",
    "redis",
    "images",
    "settings",
    "migrate",
    "compose",
    "portal",
    "hosts",
    "verify",
)
