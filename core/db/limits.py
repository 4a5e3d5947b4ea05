"""How long a statement may take. The usual limits are in ``config.database``."""

from datetime import timedelta

from django.db import connection

_SET = "SELECT set_config('lock_timeout', %(ms)s, true), set_config('statement_timeout', %(ms)s, true)"


def statements_may_take(span: timedelta) -> None:
    """Give the statements of this transaction, and their wait for locks, another limit than those of a request."""
    with connection.cursor() as cursor:
        cursor.execute(_SET, {"ms": str(span // timedelta(milliseconds=1))})
