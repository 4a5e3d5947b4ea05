"""Find out from the database's connections whether the system runs, on whichever machine."""

import time
from datetime import datetime
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection

from core.db.direct import SERVING, direct_options

# PostgreSQL may show the connection of an ended process for a moment: look again after this time.
ENDS_WITHIN_S = 1.0
# A pooler keeps its connections when its clients have gone, so only a connection in use proves that the system runs.
# A running system uses one every 2 s, for its sweep.
USED_WITHIN_S = 5.0
_CONNECTIONS = """
SELECT pid, state_change, coalesce(host(client_addr), 'this machine') FROM pg_stat_activity
WHERE datname = current_database() AND application_name = %s AND pid <> ALL(%s)
"""


def machines_at_work() -> set[str]:
    """Return the machines whose processes serve requests or tasks with this database, our own process excepted.

    Behind a pooler that is the pooler's machine. Takes 5 s there; elsewhere 1 s if anything runs.

    :raises NoDirectWay: as for :func:`core.db.direct.direct_options`.
    """
    own = [connection.connection.info.backend_pid] if connection.connection else []
    options: dict[str, Any] = direct_options()
    with psycopg.connect(**options, autocommit=True) as observer:

        def look() -> dict[tuple[int, datetime | None], str]:
            rows = observer.execute(_CONNECTIONS, [SERVING, own]).fetchall()
            return {(pid, used if has_pooler else None): machine for pid, used, machine in rows}

        has_pooler = settings.DB_POOLER != "none"
        first = look()
        if not first and not has_pooler:
            return set()
        time.sleep(USED_WITHIN_S if has_pooler else ENDS_WITHIN_S)
        second = look()
        lasting = second.keys() - first.keys() if has_pooler else second.keys() & first.keys()
        return {second[key] for key in lasting}
