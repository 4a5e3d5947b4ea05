"""Leases: let only one process at a time do a piece of work, without holding a database connection.

An advisory lock fails here: it belongs to a session, and behind a pooler a session changes hands with each
transaction. A row with an end time also frees itself when its holder is killed.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import connection

from core.models import Lease

# One statement inserts the row or takes it over once it has expired, so of two processes only one wins. The time is
# PostgreSQL's, because the clocks of two machines differ.
_TAKE = """
INSERT INTO core_lease (name, holder, until) VALUES (%s, %s, clock_timestamp() + make_interval(secs => %s))
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
WHERE core_lease.until <= clock_timestamp()
"""


@contextmanager
def lease(name: str, *, span: timedelta) -> Iterator[bool]:
    """Hold the lease ``name`` for a block. The value is False if another process holds it.

    Use it for work of minutes. If a holder is killed, the lease stays taken for the rest of ``span``.

    :param span: must be longer than the block can take: afterwards another may begin.
    """
    holder = secrets.token_hex(8)
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [name, holder, span.total_seconds()])
        is_held = cursor.rowcount == 1
    try:
        yield is_held
    finally:
        if is_held:
            Lease.objects.filter(name=name, holder=holder).delete()
