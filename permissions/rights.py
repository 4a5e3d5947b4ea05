"""What each role may do, kept in the memory of every process until the role's row changes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from core.api.access import Access
from permissions.models import ROOT_ROLEID, DataScope, Role


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

    def may_call(self, paths: Iterable[str], access: Access | None) -> bool:
        """Tell whether a logged-in user with this role may make a call that declares ``access``.

        :param paths: the documented path of the call, and its aliases. The role's rows may name any of them.
        """
        if access is None:
            return False
        if self.is_root or access in {Access.OPEN, Access.ANY_USER}:
            return True
        return access is Access.ROWS and any(
            path in self.paths or path.startswith(self.prefixes) for path in map(str.lower, paths)
        )


_loaded: dict[str, tuple[str, Rights]] = {}  # by role, with the version of the row they were made from


def rights_of(roleid: str, version: str) -> Rights:
    """Return the rights of the role ``roleid``, whose row has the ``version`` that the caller has just read."""
    known, rights = _loaded.get(roleid, ("", None))
    if rights is None or known != version:
        # Whatever change comes between the two readings changes the version again: the next request reads once more.
        role = Role.objects.filter(roleid=roleid).first()
        rights = rights_of_role(role or Role(roleid=roleid))
        _loaded[roleid] = version, rights
    return rights


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


def all_rights() -> list[Rights]:
    """Read the rights of every role from the database, oldest role first."""
    return [rights_of_role(role) for role in Role.objects.order_by("pk")]
