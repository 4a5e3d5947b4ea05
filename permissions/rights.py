"""What each role may do, cached in the memory of every process.

Problem: every request needs the caller's rights, and a changed role must count from the next request on, in every
process. So Valkey keeps one random *version* for all roles, which each change replaces. A request reads the version
together with the token's records (one round trip); the process loads the roles again only if the version differs.
"""

import secrets
import time
from dataclasses import dataclass
from typing import Any

import redis
import structlog

from core.api.access import Access
from core.cache import valkey
from permissions.models import ROOT_ROLEID, DataScope, Role

log = structlog.get_logger("permissions")

VERSION_KEY = "spms:roles:version"
# A process may die between its commit and the new version. Others then see its change after this time at the latest.
MAX_AGE_S = 30


@dataclass(frozen=True)
class Rights:
    """The rights of one role. ``paths`` are its exact rows, ``prefixes`` those that ended in ``*``, in lower case."""

    roleid: str
    name: str
    paths: frozenset[str]
    prefixes: tuple[str, ...]
    buttons: tuple[str, ...]
    menu: tuple[dict[str, Any], ...]
    data_scope: str = DataScope.ALL

    @property
    def is_root(self) -> bool:
        return self.roleid == ROOT_ROLEID

    def may_call(self, path: str, access: Access | None) -> bool:
        """Tell whether a logged-in user with this role may call ``path``, which declares ``access``."""
        if access is None:
            return False
        if self.is_root or access in {Access.OPEN, Access.ANY_USER}:
            return True
        return access is Access.ROWS and self._in_rows(path.lower())

    def _in_rows(self, path: str) -> bool:
        return path in self.paths or path.startswith(self.prefixes)


@dataclass(frozen=True)
class _Loaded:
    version: bytes
    at: float
    by_roleid: dict[str, Rights]


_loaded: _Loaded | None = None


def rights_of(roleid: str, version: bytes | None) -> Rights:
    """Return the rights of the role ``roleid``, from the cache if possible; a role that does not exist has none.

    :param version: the value of ``VERSION_KEY`` in Valkey; None if there is none or Valkey is down. Then nothing is
        cached.
    """
    global _loaded
    loaded = _loaded
    if loaded is None or loaded.version != version or time.monotonic() - loaded.at > MAX_AGE_S:
        loaded = _Loaded(version or b"", time.monotonic(), {r.roleid: rights_of_role(r) for r in Role.objects.all()})
        if version:
            _loaded = loaded
    return loaded.by_roleid.get(roleid) or Rights(roleid, "", frozenset(), (), (), ())


def current_version() -> bytes:
    """Read the version from Valkey; create one if Valkey has none (first start, or its data was lost)."""
    fresh = secrets.token_hex(8).encode()
    return fresh if valkey.client().set(VERSION_KEY, fresh, nx=True) else valkey.client().get(VERSION_KEY)


def announce_change() -> None:
    """Make every process load the roles again at its next request. Call it after the commit."""
    try:
        valkey.client().set(VERSION_KEY, secrets.token_hex(8))
    except redis.RedisError:
        # The change is committed, so the request must not fail: every process loads the roles after MAX_AGE_S anyway.
        log.warning("valkey does not answer, a change of a role is seen late", seconds=MAX_AGE_S)


def row_normalized(row: str) -> str:
    """Return ``row`` in lower case and without a slash at its end: spellings that mean the same call become equal."""
    return row.lower().rstrip("/") or "/"


def rights_of_role(role: Role) -> Rights:
    """Build the rights of ``role`` from its database row, without the cache."""
    rows = [row_normalized(row) for row in role.rows]
    return Rights(
        roleid=role.roleid,
        name=role.name,
        paths=frozenset(row for row in rows if not row.endswith("*")),
        prefixes=tuple(row[:-1] for row in rows if row.endswith("*")),
        buttons=tuple(role.buttons),
        menu=tuple(role.menu),
        data_scope=role.data_scope,
    )
