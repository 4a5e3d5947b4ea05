"""What kind of server a database belongs to: production or practice. Neither starts on the other's.

``seed_roles`` marks a database, which happens before the first account is made. Development marks none and takes any.
"""

import psycopg
from django.conf import settings

from core.db.connections import direct_options
from core.errors import DomainError
from core.models import Installation
from core.times import now


class AnotherServers(DomainError):
    """The database is that of another kind of server; ``msg`` says of which."""


def installation_mark() -> None:
    """Mark the database as that of this kind of server. One of release 1.1.0 has no mark and is production's.

    :raises AnotherServers: it is another's.
    """
    if not settings.DEPLOYED:
        return
    if refusal := installation_refusal():
        raise AnotherServers(refusal)
    # Of two servers that begin at once, the first one gets the database.
    mark, _ = Installation.objects.get_or_create(pk=1, defaults={"kind": settings.KIND, "marked_at": now()})
    if mark.kind != settings.KIND:
        raise AnotherServers(_is_of(mark.kind))


def installation_refusal() -> str:
    """Return why this server must not work on the database; "" if it may.

    :raises psycopg.Error: the database does not answer.
    """
    kind, has_users = _facts()
    if kind:
        return "" if kind == settings.KIND else _is_of(kind)
    if settings.PRACTICE and has_users:
        return "The database has users and is not marked as a practice server's."
    return ""


def _is_of(kind: str) -> str:
    return f"The database is that of a {kind} server."


def _facts() -> tuple[str, bool]:
    """Return the mark, and whether there are users; either table may not exist yet."""
    options = direct_options() | {"connect_timeout": "3"}
    # A connection of its own: a process that starts has no pool yet, and those that it forks must not share one.
    with psycopg.connect(**options, autocommit=True) as database:  # type: ignore[arg-type]
        found = database.execute("SELECT to_regclass('core_installation'), to_regclass('accounts_user')").fetchone()
        has_marks, has_accounts = found or (None, None)
        mark = database.execute("SELECT kind FROM core_installation").fetchone() if has_marks else None
        user = database.execute("SELECT 1 FROM accounts_user LIMIT 1").fetchone() if has_accounts else None
    return mark[0] if mark else "", user is not None
