"""What to do about a Redis that answers and cannot be Dify's."""

PLAIN = "Dify is given its Redis without TLS: name a port that speaks plainly, or a tunnel to it"
PRIMARY = (
    "nothing can be written there: name the primary in redis.host and redis.port, or "
    "let this one be it (REPLICAOF NO ONE)"
)
# What a server says, and what to do about it.
UNFIT = {
    "cluster mode": "Dify needs a Redis that is no cluster: give it one of its own",
    "db index": "set redis.database and redis.broker_database to numbers it has, "
    "or raise `databases` in its redis.conf",
    "unknown command": "the server has renamed or switched off a command: give it back to Dify",
    "no permissions": "let the user of redis.user do so: ACL SETUSER NAME ~* &* +@all -@admin "
    "(Dify works with all keys and channels; INFO says how the server is set)",
    "without any password": "it lets everybody in, and refuses the password that Dify sends: "
    "CONFIG SET requirepass to the secret redis_password, in its redis.conf too",
    "protected mode": "it takes nobody from other machines as long as it has no password: "
    "set requirepass to the secret redis_password in its redis.conf",
    "misconf": "it cannot save to its disk, and takes no writes until it can: its log says why "
    "(no space, or its directory is not its own)",
    "good replicas": "it takes no writes without its replicas: start them, or CONFIG SET "
    "min-replicas-to-write 0",
    "used memory": "it is full: raise its maxmemory, or look for what grows (redis-cli --bigkeys)",
    "protocol error": "what answers there is no Redis: mend redis.host and redis.port",
}
