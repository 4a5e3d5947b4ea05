"""Set for how long a transaction may work and wait. The usual limits are in ``config.database``."""

from datetime import timedelta

from django.db import connection

_SET = """
SELECT set_config('lock_timeout', %(ms)s, true), set_config('statement_timeout', %(ms)s, true),
    set_config('idle_in_transaction_session_timeout', %(ms)s, true)
"""


def limits_raise(span: timedelta) -> None:
    """Raise three limits of this transaction to ``span``, each: a statement, a wait for a lock, a pause in between.

    A pause is work of ours between two statements, such as packing a large spreadsheet.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SET, {"ms": str(span // timedelta(milliseconds=1))})
