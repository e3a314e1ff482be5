"""How often a run says that it is alive, and after which silence it counts as dead."""

HEARTBEAT_S = 15.0
MISSED = 6  # one lost on a busy machine or network kills nothing
SILENT_S = HEARTBEAT_S * MISSED
ALIVE = "StillAlive"  # the state of a run that was taken for dead
