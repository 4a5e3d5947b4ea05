"""Authenticate API requests by their token."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts.principal import Principal, principal_of
from accounts.tokens import token_claims
from core.api.access import Access
from core.api.request import token_of
from core.errors import TokenInvalid
from core.observe.tracing import about


class CallerRequest(Request):
    """A request to a call that needs a login, so that ``user`` is a principal.

    Only the type checker uses this class.
    """

    user: Principal  # type: ignore[assignment]  # REST framework's stubs know Django's users only


class TokenAuthentication(BaseAuthentication):
    """Find the caller by the token of the contract's section 2. A cookie never authenticates an API call.

    :raises TokenInvalid: the token is not valid, and the call is not open to everybody.
    """

    def authenticate(self, request: Any) -> tuple[Principal, dict[str, Any]] | None:
        raw = token_of(request)
        if raw is None:
            return None
        claims = token_claims(raw)
        caller = principal_of(claims) if claims else None
        if caller is not None:
            about(caller=caller.unid)
            return caller, claims  # type: ignore[return-value]
        # A client may still send an expired token with a call that is open to everybody, above all with the login.
        if request.parser_context["view"].access is Access.OPEN:
            return None
        raise TokenInvalid


class TokenScheme(OpenApiAuthenticationExtension):
    target_class = "accounts.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "header", "name": "authorization", "description": "登入后返回的 token,原样填写"}
