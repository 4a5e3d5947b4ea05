"""The data scope of a role (数据权限): which rows of others a caller sees, and which the caller may change.

The selectors and services of students, products and categories ask a :class:`Scope`. Their rows keep in ``created_by``
who entered them; rows without one belong to no user, so only the scope "all" may change them.
"""

from dataclasses import dataclass
from typing import Any, TypeVar

from django.conf import settings
from django.db.models import Q, QuerySet

from core.errors import DomainError, NotPermitted
from permissions.models import DataScope, EnteredRow, Role

Row = TypeVar("Row", bound=EnteredRow)


@dataclass(frozen=True)
class Scope:
    """The data scope of one caller; ``user_pk`` is the caller's user."""

    kind: str = DataScope.ALL
    user_pk: int | None = None

    @property
    def is_own_only(self) -> bool:
        return self.kind == DataScope.OWN

    @property
    def is_all(self) -> bool:
        return self.kind == DataScope.ALL

    def visible(self, prefix: str = "") -> Q:
        """Match the rows that the caller sees. ``prefix`` leads to them, for example ``product__``."""
        return Q(**{f"{prefix}created_by": self.user_pk}) if self.is_own_only else Q()

    def changeable(self) -> Q:
        """Match the rows that the caller may change and delete."""
        return Q() if self.is_all else Q(created_by=self.user_pk)

    def covers(self) -> list[str]:
        """Return the scopes that show no more than this one. What was prepared under another one shows too much."""
        return DataScope.values[DataScope.values.index(self.kind) :]

    def may_see(self, row: EnteredRow) -> bool:
        return not self.is_own_only or row.created_by_id == self.user_pk

    def may_change(self, row: EnteredRow) -> bool:
        return self.is_all or row.created_by_id == self.user_pk

    def require_change(self, row: EnteredRow) -> None:
        """Check that the caller may change a row in sight.

        :raises NotPermitted: another user has entered it.
        """
        if not self.may_change(row):
            raise NotPermitted

    def lock(self, rows: QuerySet[Row], missing: type[DomainError]) -> Row:
        """Lock a row until the transaction ends, to change it.

        :raises missing: there is none among ``rows``, or the caller does not see it.
        :raises NotPermitted: another user has entered it.
        """
        row = rows.select_for_update(no_key=True).filter(self.visible()).first()
        if row is None:
            raise missing
        self.require_change(row)
        return row


EVERYTHING = Scope()
NOTHING = Scope(DataScope.OWN, 0)  # 0 is no user's key; None would match the rows that no user has entered


def scope_of(user: Any) -> Scope:
    """Return the scope of a user (``accounts.User``) or of an API's caller. A caller without a login sees nothing."""
    role: Role | None = getattr(user, "role", None)
    if role is None:
        return NOTHING
    if role.is_root:
        return Scope(DataScope.ALL, user.pk or 0)
    # On a practice server strangers meet: each has a school of one's own, whatever the role says.
    return Scope(DataScope.OWN if settings.PRACTICE else role.data_scope, user.pk or 0)
