"""Keys that were renamed or derived since, each with the sentence that says what to write."""

_DRILL = "it is derived now; expected backup.drill = {{ {} = … }} where it must be another one"
_DIRECT = "it has a usual value now; expected dify.direct_ports = {{ {} = … }} for another one"
_KEEP = "it is a part of backup.keep now; expected keep = {{ {} = … }}"

MOVED = {
    "pigsty.proxy": "it is docker.proxy now; expected it there",
    "pigsty.registry_mirrors": "it is a part of images.registries now; expected the mirror there",
    "pigsty.sentinel_nodes": "it is redis.sentinels now; expected address:26379 of each there",
    "pigsty.portal_entry": "the entry is named by dify.project now; expected no such key",
    "dify.web_port": _DIRECT.format("web"),
    "dify.api_port": _DIRECT.format("api"),
    "dify.plugin_port": _DIRECT.format("plugin"),
    "dify.websocket_port": _DIRECT.format("websocket"),
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
    "backup.lock_within_s": "it is 15 minutes times nodes.patience now; expected no such key",
    "images.registry_timeout_s": "it is 10 seconds times nodes.patience now; expected no such key",
    "images.rehearsal": "it is the folder rehearsal of the checkout now; expected no such key",
    "health.confirm_of": "it is the second number of health.confirm now; expected it there",
    "health.heal_after": "it is the second number of health.confirm now; expected it there",
    "health.ignored_queues": "it is redis.ignored_queues of the release now; expected no such key",
    "limits.inodes_pct": "it is limits.disk_pct now; expected it there",
    "limits.queue_growth": "it is limits.queue_jobs now; expected it there",
}
