"""Turn ``DATABASE_URL`` into Django's settings, with every option of libpq, or several hosts."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from core.db.connections import COMMAND, SERVING, WatchedConnection

# A machine that loses its power or its cable does not close its connections. By default the kernel repeats a packet for
# 15 minutes, and checks a silent connection after 2 hours. With these options a request fails, and an idle connection
# of the pool ends, after 5 s.
_OURS = {
    "connect_timeout": "2",  # for each host; the least that libpq accepts
    "keepalives_idle": "2",
    "keepalives_interval": "1",
    "keepalives_count": "3",
    "tcp_user_timeout": "5000",
}
# On PostgreSQL's side: if one of our machines dies, a row that it had locked is free after 4 s, or after 8 if a second
# of its requests waited for the row: that one is granted it just before its own connection is given up.
_SERVERS = {
    "tcp_keepalives_idle": "2",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "4s",
    "lock_timeout": "10s",
}
# For processes that serve requests or tasks. A command that a person has started may take as long as it needs.
# A machine that hangs keeps its connections alive: only the second limit frees the rows that it had locked.
_SERVING = {"statement_timeout": "30s", "idle_in_transaction_session_timeout": "5s"}


def database(url: str, *, pool_size: int, serving: bool = True) -> dict[str, Any]:
    """Turn a libpq URL (``postgresql://user:password@host:5432/name``) into Django's settings.

    Options in the URL take precedence over ours.

    :param serving: limit how long a statement may take.
    """
    if not url:
        # No engine runs. Without a host libpq would connect to any server that happens to run on this machine.
        return {"ENGINE": "django.db.backends.postgresql", "HOST": "/nowhere", "NAME": "none", "OPTIONS": {}}
    options = _OURS | connection_options(url) | {"application_name": SERVING if serving else COMMAND}
    limits = _SERVERS | (_SERVING if serving else {})
    ours = " ".join(f"-c {name}={value}" for name, value in limits.items())
    options["options"] = f"{ours} {options.get('options', '')}".strip()
    hosts = options.get("host", "").count(",") + 1
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": options.pop("dbname", "postgres"),
        "USER": options.pop("user", ""),
        "PASSWORD": options.pop("password", ""),
        "HOST": options.pop("host", ""),
        "PORT": options.pop("port", ""),
        # Check a connection when it is taken from the pool: after a restart of PostgreSQL no request fails.
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            **options,
            "pool": {
                "min_size": 1,  # by this connection `restore` sees that the process runs
                "max_size": pool_size,
                "timeout": max(2, int(options["connect_timeout"])) * hosts
                + 1,  # the last host may be the one that answers
                "max_idle": 60,
                # The pool's default is to wait a minute and more between two attempts after a long outage.
                "reconnect_timeout": 2,
                "connection_class": WatchedConnection,
            },
            "prepare_threshold": 5,  # for core.db.reading.prepared_rows
        },
    }


def connection_options(url: str) -> dict[str, str]:
    """Return the libpq parameters in a URL.

    :raises ImproperlyConfigured: it is not a PostgreSQL URL; the text names the variable.
    """
    try:
        return {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    except ProgrammingError:
        raise ImproperlyConfigured(
            "DATABASE_URL has a bad value: postgresql://user:password@host/name is needed."
        ) from None
