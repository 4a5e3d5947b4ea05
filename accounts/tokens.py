"""Issue, check and revoke tokens. They are signed by simplejwt; ``accounts.principal`` knows the revoked ones."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from django.conf import settings
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError
from rest_framework_simplejwt.settings import api_settings as jwt_settings
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import RevokedToken, User
from core import times


def token_issue(user: User) -> str:
    """Return a new token for ``user``, valid for ``JWT_LIFETIME``."""
    token = AccessToken()
    token.set_exp(from_time=times.now())
    token.set_iat(at_time=times.now())
    token["unid"] = user.unid
    token["username"] = user.username
    token["epoch"] = user.epoch
    return str(token)


def token_claims(raw: str) -> dict[str, Any] | None:
    """Check signature, algorithm and lifetime, and return the claims; None if the token is not ours or has expired."""
    claims = _verified(raw, settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return claims if claims and claims["exp"] > times.now().timestamp() else None


def _verified(raw: str, *keys: str) -> dict[str, Any] | None:
    for key in keys:
        try:
            return _verified_by(raw, key)
        except (TokenBackendError, UnicodeError, ValueError):
            continue  # it may be signed with an earlier SECRET_KEY
    return None


# The library compares with this host's clock, so it must refuse nothing: `token_claims` compares with the database's.
_ANY_TIME = timedelta(days=36500)


# Checking the signature takes longer than all other steps of authentication together, and its result never changes, so
# it is cached. Invalid tokens raise and are not cached: otherwise strangers could push out the tokens of our users.
@lru_cache(maxsize=4096)
def _verified_by(raw: str, key: str) -> dict[str, Any]:
    claims = TokenBackend(jwt_settings.ALGORITHM, key, leeway=_ANY_TIME).decode(raw)  # type: ignore[arg-type]
    if claims.get("token_type") != AccessToken.token_type or type(claims.get("exp")) is not int:
        raise ValueError("no token of ours")
    if not (isinstance(claims.get("unid"), str) and isinstance(claims.get("jti"), str)):
        raise ValueError("no token of a user")
    if type(claims.get("epoch")) is not int:
        raise ValueError("no token of a user")
    return claims


def token_revoke(claims: dict[str, Any]) -> None:
    """Make one token invalid before it expires."""
    expires_at = datetime.fromtimestamp(claims["exp"], UTC)
    RevokedToken.objects.get_or_create(jti=claims["jti"], defaults={"expires_at": expires_at})
