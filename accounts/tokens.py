"""Issue, check and revoke tokens. ``accounts.principal`` knows the revoked ones."""

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import uuid4

import jwt
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts import principal
from accounts.models import RevokedToken, User

ALGORITHM = "HS256"
KIND = "access"


def token_issue(user: User) -> str:
    """Return a new token for ``user``, valid for ``JWT_LIFETIME``."""
    now = timezone.now()
    claims = {
        "token_type": KIND,
        "exp": now + settings.JWT_LIFETIME,
        "iat": now,
        "jti": uuid4().hex,
        "unid": user.unid,
        "username": user.username,
        "epoch": user.epoch,
    }
    return jwt.encode(claims, settings.SECRET_KEY, ALGORITHM)


def token_claims(raw: str) -> dict[str, Any] | None:
    """Check signature, algorithm and lifetime, and return the claims; None if the token is not ours or has expired."""
    claims = _verified(raw, settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return claims if claims and claims["exp"] > time.time() else None


def _verified(raw: str, *keys: str) -> dict[str, Any] | None:
    for key in keys:
        try:
            return _verified_by(raw, key)
        except (jwt.InvalidTokenError, UnicodeError, ValueError):
            continue  # it may be signed with an earlier SECRET_KEY
    return None


# Checking the signature takes longer than all other steps of authentication together, and its result never changes, so
# it is cached. Invalid tokens raise and are not cached: otherwise strangers could push out the tokens of our users.
@lru_cache(maxsize=4096)
def _verified_by(raw: str, key: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(raw, key, [ALGORITHM], options={"verify_aud": False})
    if claims.get("token_type") != KIND or type(claims.get("exp")) is not int:
        raise ValueError("no token of ours")
    if not (isinstance(claims.get("unid"), str) and isinstance(claims.get("jti"), str)):
        raise ValueError("no token of a user")
    if type(claims.get("epoch")) is not int:
        raise ValueError("no token of a user")
    return claims


def token_revoke(claims: dict[str, Any], *, now: datetime) -> None:
    """Make one token invalid before it expires."""
    expires_at = datetime.fromtimestamp(claims["exp"], UTC)
    with transaction.atomic():
        RevokedToken.objects.get_or_create(jti=claims["jti"], defaults={"expires_at": expires_at})
    principal.mark_dead(claims["jti"], int((expires_at - now).total_seconds()))
