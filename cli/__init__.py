"""The `rollout` command."""

import os

from clients import variables

variables.forget()
variables.plain_umask()
# Read by Prefect when it is imported. Its console lines would double ours.
os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
# The run itself says once that its server went away; Prefect would say it in many lines.
os.environ.setdefault("PREFECT_LOGGING_INTERNAL_LEVEL", "CRITICAL")
# What is done outside a flow has no run to log to.
os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")
# Nobody asked for usage statistics to be sent; checking for their consent costs 0.2 s a run.
os.environ.setdefault("DO_NOT_TRACK", "1")
# Without a server Prefect would start one for every command, and keep secrets in its database.
os.environ["PREFECT_SERVER_ALLOW_EPHEMERAL_MODE"] = "false"
