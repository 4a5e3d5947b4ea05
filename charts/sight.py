"""Whose figures a caller sees. The back office has a rule of its own, by rights: ``backoffice.figures.charts_of``."""

from dataclasses import dataclass

from accounts.authentication import Principal
from core.api.access import Access
from permissions.scope import Scope


@dataclass(frozen=True)
class Sight:
    """Whose figures a caller sees: those of the students in the scope; and all orders, or the caller's own."""

    scope: Scope
    sees_orders: bool

    @property
    def buyer_pk(self) -> int | None:
        return None if self.sees_orders else self.scope.user_pk

    @property
    def login_pk(self) -> int | None:
        return self.scope.user_pk if self.scope.is_narrow else None


def sight_of(caller: Principal) -> Sight:
    """Return whose figures a caller sees: a seller, as ``/order/ship`` has it, sees all orders."""
    is_seller = caller.scope.is_all and caller.role.may_call(["/order/get_order"], Access.ROWS)
    return Sight(caller.scope, is_seller)
