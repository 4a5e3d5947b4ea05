"""What each role may do, held in the memory of every process and thrown away when any role changes.

Valkey holds one random *version* of all roles. A process compares it on each request (the token check
reads it in the same round trip) and loads the roles from PostgreSQL only when it has changed.
"""

import secrets
import time
from dataclasses import dataclass
from typing import Any

import redis
import structlog

from core.api.access import Access
from core.cache import valkey
from permissions.models import ROOT_ROLEID, Role

log = structlog.get_logger("permissions")

VERSION_KEY = "spms:roles:version"
# Bounds how long a change stays unseen when the process that made it died before it could say so.
MAX_AGE_S = 30


@dataclass(frozen=True)
class Rights:
    """The rights of one role; ``paths`` and ``prefixes`` are in lower case."""

    roleid: str
    name: str
    paths: frozenset[str]
    prefixes: tuple[str, ...]
    buttons: tuple[str, ...]
    menu: tuple[dict[str, Any], ...]

    @property
    def is_root(self) -> bool:
        return self.roleid == ROOT_ROLEID

    def may_call(self, path: str, access: Access | None) -> bool:
        """Decide on a call of the documented ``path`` by a logged-in user of this role."""
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
    """Rights of ``roleid``; an unknown role has none.

    :param version: what Valkey holds under ``VERSION_KEY`` now, None when it holds nothing or is down.
    """
    global _loaded
    held = _loaded
    if held is None or held.version != version or time.monotonic() - held.at > MAX_AGE_S:
        held = _Loaded(version or b"", time.monotonic(), {r.roleid: rights_held(r) for r in Role.objects.all()})
        if version:
            _loaded = held
    return held.by_roleid.get(roleid) or Rights(roleid, "", frozenset(), (), (), ())


def current_version() -> bytes:
    """Read the version, making one where Valkey has none (first start, or it lost its data)."""
    fresh = secrets.token_hex(8).encode()
    return fresh if valkey.client().set(VERSION_KEY, fresh, nx=True) else valkey.client().get(VERSION_KEY)


def announce_change() -> None:
    """Make every process load the roles anew at its next request. Call it after the commit."""
    try:
        valkey.client().set(VERSION_KEY, secrets.token_hex(8))
    except redis.RedisError:
        # The change is committed and must not be answered as a failure: what is held ends by itself.
        log.warning("valkey does not answer, a change of a role is seen late", seconds=MAX_AGE_S)


def row_folded(row: str) -> str:
    """What two spellings of one entry of ``rows`` have in common."""
    return row.lower().rstrip("/") or "/"


def rights_held(role: Role) -> Rights:
    """Read off a role's row what it may do."""
    rows = [row_folded(row) for row in role.rows]
    return Rights(
        roleid=role.roleid,
        name=role.name,
        paths=frozenset(row for row in rows if not row.endswith("*")),
        prefixes=tuple(row[:-1] for row in rows if row.endswith("*")),
        buttons=tuple(role.buttons),
        menu=tuple(role.menu),
    )
