"""Tokens: signed by simplejwt, ended by the database (see ``accounts.principal``)."""

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import transaction
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError
from rest_framework_simplejwt.settings import api_settings as jwt_settings
from rest_framework_simplejwt.tokens import AccessToken

from accounts import principal
from accounts.models import RevokedToken, User


def token_issue(user: User) -> str:
    """Make a token for ``user``, good for ``JWT_LIFETIME``."""
    token = AccessToken()
    token["unid"] = user.unid
    token["username"] = user.username
    token["epoch"] = user.epoch
    return str(token)


def token_claims(raw: str) -> dict[str, Any] | None:
    """Check signature, algorithm and lifetime; None for a token that is not ours or is over."""
    claims = _verified(raw, settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return claims if claims and claims["exp"] > time.time() else None


def _verified(raw: str, *keys: str) -> dict[str, Any] | None:
    for key in keys:
        try:
            return _verified_by(raw, key)
        except (TokenBackendError, UnicodeError, ValueError):
            continue  # perhaps an earlier key, from before it was replaced
    return None


# A signature once good stays good, and checking it costs more than the rest of the token's way together.
# What is no good is not kept: strangers must not push out our users' tokens.
@lru_cache(maxsize=4096)
def _verified_by(raw: str, key: str) -> dict[str, Any]:
    claims = TokenBackend(jwt_settings.ALGORITHM, key).decode(raw)  # type: ignore[arg-type]
    if claims.get("token_type") != AccessToken.token_type or type(claims.get("exp")) is not int:
        raise ValueError("no token of ours")
    if not (isinstance(claims.get("unid"), str) and isinstance(claims.get("jti"), str)):
        raise ValueError("no token of a user")
    if type(claims.get("epoch")) is not int:
        raise ValueError("no token of a user")
    return claims


def token_revoke(claims: dict[str, Any], *, now: datetime) -> None:
    """End one token before its time."""
    expires_at = datetime.fromtimestamp(claims["exp"], UTC)
    with transaction.atomic():
        RevokedToken.objects.get_or_create(jti=claims["jti"], defaults={"expires_at": expires_at})
    principal.mark_dead(claims["jti"], int((expires_at - now).total_seconds()))
