"""Set for how long a transaction may work and wait. The usual limits are in ``config.database``."""

from datetime import timedelta

from django.db import connection

_SET = """
SELECT set_config('lock_timeout', %(ms)s, true), set_config('statement_timeout', %(ms)s, true),
    set_config('idle_in_transaction_session_timeout', %(ms)s, true)
"""


def limits_raise(span: timedelta) -> None:
    """Let each statement of this transaction run, wait for a lock, and keep another one waiting, up to ``span``.

    The last is for work between two statements, such as packing a large spreadsheet.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SET, {"ms": str(span // timedelta(milliseconds=1))})
