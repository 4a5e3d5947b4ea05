"""Work that only one process may do at a time, without a connection that remembers it."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import connection

from core.models import Lease

# One statement, by PostgreSQL's clock: of two at the same instant, one finds the other's row.
_TAKE = """
INSERT INTO core_lease (name, holder, until) VALUES (%s, %s, clock_timestamp() + make_interval(secs => %s))
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
WHERE core_lease.until <= clock_timestamp()
"""


@contextmanager
def lease(name: str, *, span: timedelta) -> Iterator[bool]:
    """Hold ``name`` for a block; False where somebody else holds it.

    For work of minutes. Whoever waits for a killed holder waits for the rest of ``span``: no longer than a task may
    take, and too long for a sweep, which claims rows instead (``core.db.claims``).

    :param span: longer than the block may take. After it, somebody else may begin.
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
