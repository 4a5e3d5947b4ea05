"""Find the caller of an API request (the principal) by the token, with one prepared statement."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts.tokens import token_claims
from core.api.access import Access
from core.api.request import token_of
from core.db.reading import prepared_rows
from core.errors import TokenInvalid
from core.observe.tracing import about
from core.registers import Registers
from permissions.models import Role
from permissions.scope import Scope, scope_of
from permissions.selectors import role_loaded

# The role's place in its table and the transaction that wrote it: both change with every update of the row.
_CALLER = """
SELECT u.id, u.username, u.nickname, u.class_name, r.roleid, r.xmin::text || r.ctid::text
FROM accounts_user u JOIN permissions_role r ON r.id = u.role_id
WHERE u.unid = %(unid)s AND u.is_active AND u.epoch = %(epoch)s
AND NOT EXISTS (SELECT FROM accounts_revokedtoken WHERE jti = %(jti)s)
"""


# Each is called with every request whose caller was found, before the call does anything; it may raise the answer. The
# sandbox's switches register one.
caller_checks = Registers[Callable[[Request, "Principal"], None]]()


@dataclass(frozen=True)
class Principal:
    """The logged-in user of a request, built from the token and the user's row.

    It is no model; ``pk`` is that of the row.
    """

    pk: int
    unid: str
    username: str
    nickname: str
    class_name: str
    role: Role
    claims: dict[str, Any]
    is_authenticated: bool = True

    @property
    def is_root(self) -> bool:
        return self.role.is_root

    @cached_property
    def scope(self) -> Scope:
        return scope_of(self)

    def __str__(self) -> str:
        return self.nickname or self.username


def principal_of(raw: str) -> Principal | None:
    """Return the caller by a token.

    None if the token is not ours or has expired, was revoked, its epoch is over, or the user is disabled or deleted.
    """
    claims = token_claims(raw)
    if claims is None:
        return None
    values = {name: claims[name] for name in ("unid", "epoch", "jti")}
    for pk, username, nickname, class_name, roleid, version in prepared_rows(_CALLER, values):
        return Principal(pk, values["unid"], username, nickname, class_name, role_loaded(roleid, version), claims)
    return None


class CallerRequest(Request):
    """A request to a call that needs a login, so that ``user`` is a principal.

    Only the type checker uses this class.
    """

    user: Principal  # type: ignore[assignment]  # REST framework's stubs know Django's users only


class TokenAuthentication(BaseAuthentication):
    """Find the caller by the token of the contract's section 2. A cookie never authenticates an API call.

    :raises TokenInvalid: the token is not valid, and the call needs a login.
    :raises DomainError: one of ``caller_checks`` answers the call.
    """

    def authenticate(self, request: Any) -> tuple[Principal, dict[str, Any]] | None:
        raw = token_of(request)
        if raw is None:
            return None
        if (caller := principal_of(raw)) is not None:
            about(caller=caller.unid)
            for check in caller_checks.values():
                check(request, caller)
            return caller, caller.claims
        # A client may still send an expired token with a call that needs no login, above all with the login.
        if request.parser_context["view"].endpoint.access is Access.OPEN:
            return None
        raise TokenInvalid
