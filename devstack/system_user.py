"""The system user that the engines run under: PostgreSQL refuses to run as root."""

import os
import pwd
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devstack.errors import StackError


@dataclass(frozen=True)
class Account:
    """The user and group id that a program runs under."""

    name: str
    uid: int
    gid: int

    @classmethod
    def of(cls, uid_or_name: int | str) -> "Account | None":
        with suppress(KeyError):
            entry = pwd.getpwuid(uid_or_name) if isinstance(uid_or_name, int) else pwd.getpwnam(uid_or_name)
            return cls(entry.pw_name, entry.pw_uid, entry.pw_gid)
        return None


# If we are root, the engines run under a user id that has no account; the kernel does not need one. An existing account
# such as `nobody` is not safe: any other program under it could use the servers' sockets and read their files and
# memory. The number is one of those that systemd reserves for temporary services.
ENGINES = Account("engines", 61543, 61543)
# Accounts for initdb alone, which refuses a user id without a name. They exist nearly everywhere and own nothing.
UNPRIVILEGED = ("nobody", "daemon", "www-data")


def run_as(account: Account | None) -> dict[str, Any]:
    """Return the options that make ``subprocess`` change to ``account``; none for our own account."""
    return {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}


def account_for(data: Path) -> Account | None:
    """Return the account to run the engines under, or None for our own if we are not root.

    If a person's account owns the data already, the engines run under that account.
    """
    if os.geteuid() != 0:
        return None
    owner = Account.of(data.stat().st_uid) if data.exists() else None
    return owner if owner and owner.uid and owner.name not in UNPRIVILEGED else ENGINES


def account_with_a_name() -> Account:
    """Return an unprivileged account that has a name.

    :raises StackError: this system has none.
    """
    for account in map(Account.of, UNPRIVILEGED):
        if account and account.uid:
            return account
    raise StackError("initdb does not run as root and there is no account 'nobody' here: set DATABASE_URL.")
