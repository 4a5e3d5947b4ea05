"""``DATABASE_URL`` as Django's settings: every option of libpq, several hosts, and a pooler in between."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from core.db.direct import COMMAND, SERVING

POOLERS = ("none", "transaction")
# A machine that loses its power or its cable says no farewell. The kernel would go on sending for 15 minutes, and look
# at a silent connection after 2 hours. With these a request fails, and the pool's idle connections end, after 5 s.
_OURS = {
    "connect_timeout": "2",  # for each host; libpq takes no less
    "keepalives_idle": "2",
    "keepalives_interval": "1",
    "keepalives_count": "3",
    "tcp_user_timeout": "5000",
}
# The same for PostgreSQL: rows that a vanished machine of ours had locked are free again after 5 s.
_SERVERS = {
    "tcp_keepalives_idle": "2",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "5s",
    "lock_timeout": "10s",
}
# For whatever serves somebody. A command that a person started may take as long as it needs.
_SERVING = {"statement_timeout": "30s", "idle_in_transaction_session_timeout": "120s"}


def database(
    url: str, *, pool_size: int, pooler: str = "none", prepare: bool = True, serving: bool = True
) -> dict[str, Any]:
    """Turn a libpq URL (``postgresql://user:password@host:5432/name``) into Django's settings.

    What the URL says goes before our own values.

    :param pooler: ``transaction``: each transaction may run on another connection of the server's. Nothing is set for a
        session then; the role has to carry the limits (docs/operations.md).
    :param prepare: let ``core.db.pool.prepared_cursor`` prepare statements.
    :param serving: bound how long a statement may take.
    """
    if not url:
        # Nothing is running. Without a host libpq would try whatever server happens to be on this machine.
        return {"ENGINE": "django.db.backends.postgresql", "HOST": "/nowhere", "NAME": "none", "OPTIONS": {}}
    options = _OURS | connection_options(url) | {"application_name": SERVING if serving else COMMAND}
    if pooler == "none":
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
        # Checked when taken from the pool: a restarted PostgreSQL must not cost a request.
        "CONN_HEALTH_CHECKS": True,
        # Such a cursor outlives its transaction, and would look for its rows on another connection.
        "DISABLE_SERVER_SIDE_CURSORS": pooler == "transaction",
        "OPTIONS": {
            **options,
            "pool": {
                "min_size": 1,  # shows `restore` that this process lives
                "max_size": pool_size,
                "timeout": max(2, int(options["connect_timeout"])) * hosts
                + 1,  # the last host may be the one that answers
                "max_idle": 60,
                # By default the pool waits up to a minute between two tries, and longer than that after a long outage.
                "reconnect_timeout": 2,
            },
            "prepare_threshold": 5 if prepare else None,
        },
    }


def direct(url: str) -> dict[str, str]:
    """The parameters of libpq that lead past a pooler; none where ``url`` is empty."""
    return _OURS | connection_options(url, "DATABASE_DIRECT_URL") | {"application_name": COMMAND} if url else {}


def connection_options(url: str, variable: str = "DATABASE_URL") -> dict[str, str]:
    """The parameters of libpq that a URL names.

    :raises ImproperlyConfigured: it is no such URL.
    """
    try:
        return {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    except ProgrammingError:
        raise ImproperlyConfigured(
            f"{variable} has a bad value: postgresql://user:password@host/name is needed."
        ) from None
