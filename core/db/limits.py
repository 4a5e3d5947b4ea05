"""Set how long a statement may take. The usual limits are in ``config.database``."""

from datetime import timedelta

from django.db import connection

_SET = "SELECT set_config('lock_timeout', %(ms)s, true), set_config('statement_timeout', %(ms)s, true)"


def statements_may_take(span: timedelta) -> None:
    """Let each statement of this transaction run, and wait for a lock, up to ``span`` instead of the usual limits."""
    with connection.cursor() as cursor:
        cursor.execute(_SET, {"ms": str(span // timedelta(milliseconds=1))})
