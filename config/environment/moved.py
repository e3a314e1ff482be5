"""Keys that were renamed or derived since, each with the sentence that says what to write."""

_DRILL = "it is derived now; expected backup.drill = {{ {} = … }} where it must be another one"
_DIRECT = "it has a usual value now; expected dify.direct_ports = {{ {} = … }} for another one"
_KEEP = "it is a part of backup.keep now; expected keep = {{ {} = … }}"

_KNOBS = "its keys are a part of nodes.{0} now; expected nodes.{0} = {{ {1} = … }}"
_POOL = "it is a part of postgres.pool now; expected pool = {{ {} = … }}"
_PATIENCE = "it is {} times nodes.patience now; expected no such key"

MOVED = {
    "preflight": _KNOBS.format("free_gb", "disk"),
    "retries": _KNOBS.format("retries", "attempts"),
    "pigsty.proxy": "it is docker.proxy now; expected it there",
    "pigsty.registry_mirrors": "it is a part of images.registries now; expected the mirror there",
    "pigsty.sentinel_nodes": "it is redis.sentinels now; expected address:26379 of each there",
    "pigsty.portal_entry": "the entry is named by dify.project now; expected no such key",
    "dify.web_port": _DIRECT.format("web"),
    "dify.api_port": _DIRECT.format("api"),
    "dify.plugin_port": _DIRECT.format("plugin"),
    "dify.websocket_port": _DIRECT.format("websocket"),
    "dify.admin_name": "it is what dify.admin_email has before the @ now; expected no such key",
    "postgres.pool_size": _POOL.format("size"),
    "postgres.pool_overflow": _POOL.format("overflow"),
    "backup.drill_subnet": _DRILL.format("subnet"),
    "backup.drill_port": _DRILL.format("port"),
    "backup.drill_redis": _DRILL.format("redis"),
    "backup.drill_broker": _DRILL.format("broker"),
    "backup.keep_last": _KEEP.format("last"),
    "backup.keep_daily": _KEEP.format("daily"),
    "backup.keep_weekly": _KEEP.format("weekly"),
    "backup.keep_monthly": _KEEP.format("monthly"),
    "backup.keep_before_days": _KEEP.format("before_days"),
    "backup.keep_replaced_days": _KEEP.format("replaced_days"),
    "backup.shrink": _KEEP.format("shrink"),
    "backup.lock_within_s": _PATIENCE.format("15 minutes"),
    "images.registry_timeout_s": _PATIENCE.format("10 seconds"),
    "images.stalled_after_s": _PATIENCE.format("a minute"),
    "images.rehearsal": "it is the folder rehearsal of the checkout now; expected no such key",
    "health.confirm_of": "it is the second number of health.confirm now; expected it there",
    "health.heal_after": "it is the second number of health.confirm now; expected it there",
    "health.heal_per_hour": "it is the number of each service now; expected heal = { worker = … }",
    "health.deadline_s": _PATIENCE.format("5 seconds"),
    "health.quiet_s": _PATIENCE.format("an hour"),
    "health.ignored_queues": "it is redis.ignored_queues of the release now; expected no such key",
    "limits.evictions": "one is a warning, a hundred are a failure now; expected no such key",
    "limits.inodes_pct": "it is limits.disk_pct now; expected it there",
    "limits.queue_growth": "it is limits.queue_jobs now; expected it there",
}
