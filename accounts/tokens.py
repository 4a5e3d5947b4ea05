"""Issue, check, refresh and revoke tokens. ``accounts.authentication`` knows the revoked ones.

A client that asks for it also gets a refresh token. Each one works once and gives the next, and all that come from one
login are a family: its tokens have the same ``jti``, so that revoking it ends all of them. If a used refresh token
comes again, it or its successor was stolen, and the family ends.
"""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import uuid4

import jwt
from django.conf import settings

from accounts.models import RefreshFamily, RevokedToken, User
from core import times
from core.errors import TokenInvalid

ACCESS, REFRESH = "access", "refresh"
ALGORITHM = "HS256"
Claims = dict[str, Any]


class Tokens(NamedTuple):
    """What a login with ``refresh=1`` and a refresh answer. ``expires_in`` is the token's lifetime in seconds."""

    token: str
    refresh: str
    expires_in: int


def token_issue(user: User, *, payer: tuple[str, str] | None = None) -> str:
    """Return a new token for ``user``, valid for ``JWT_LIFETIME``.

    :param payer: the appid and openid with which a payment of this login's client is paid.
    """
    return _signed(_claims(user, ACCESS, settings.JWT_LIFETIME, **({"payer": payer} if payer else {})))


def family_begin(*, user: User, access_s: int | None) -> Tokens:
    """Issue the first tokens of a login that will be refreshed.

    :param access_s: the lifetime of each token, at most ``JWT_LIFETIME``, which is the default.
    """
    access_s = access_s or int(settings.JWT_LIFETIME.total_seconds())
    refresh = _claims(user, REFRESH, settings.JWT_REFRESH_LIFETIME, family=uuid4().hex, access_s=access_s)
    RefreshFamily.objects.create(jti=refresh["family"], **_newest(refresh))
    return _pair(user, refresh)


def tokens_refresh(raw: str, *, now: datetime) -> Tokens:
    """Use up a refresh token and issue the next pair.

    :raises TokenInvalid: it is not ours, has expired, was used before, or its login has ended. The login ends with it.
    """
    claims = token_claims(raw, REFRESH)
    if claims is None:
        raise TokenInvalid
    users = User.objects.filter(unid=claims["unid"], epoch=claims["epoch"], is_active=True)
    if (user := users.select_related("role").first()) is not None:
        family = {name: claims[name] for name in ("family", "access_s")}
        refresh = _claims(user, REFRESH, settings.JWT_REFRESH_LIFETIME, **family)
        # One statement compares and replaces: if a token comes twice at once, the second one changes no row.
        if RefreshFamily.objects.filter(jti=claims["family"], current=claims["jti"]).update(**_newest(refresh)):
            if settings.PRACTICE:  # whoever refreshes uses the account; all tokens end within JWT_LIFETIME
                User.objects.filter(pk=user.pk).update(last_login=now)
            return _pair(user, refresh)
    if RefreshFamily.objects.filter(jti=claims["family"]).exists():
        token_revoke({"jti": claims["family"], "exp": 0}, now=now)
    raise TokenInvalid


def _newest(refresh: Claims) -> dict[str, Any]:
    return {"current": refresh["jti"], "expires_at": datetime.fromtimestamp(refresh["exp"], UTC)}


def _pair(user: User, refresh: Claims) -> Tokens:
    access_s = refresh["access_s"]
    token = _claims(user, ACCESS, timedelta(seconds=access_s), jti=refresh["family"])
    return Tokens(_signed(token), _signed(refresh), access_s)


def _claims(user: User, kind: str, lifetime: timedelta, **more: Any) -> Claims:
    now = times.now()
    if settings.SANDBOX:
        # A switch ends the tokens that exist, and `iat` is in whole seconds: one that is issued right after it must
        # be told from those before.
        more["iat_ms"] = now.microsecond // 1000
    claims = {name: getattr(user, name) for name in ("unid", "username", "epoch")}
    moments = {"iat": int(now.timestamp()), "exp": int((now + lifetime).timestamp())}
    return {"token_type": kind, "jti": uuid4().hex} | moments | claims | more


def _signed(claims: Claims) -> str:
    return jwt.encode(claims, settings.SECRET_KEY, ALGORITHM)


def token_claims(raw: str, kind: str = ACCESS) -> Claims | None:
    """Check signature, algorithm and lifetime, and return the claims; None if the token is not ours or has expired.

    :param kind: ``access`` or ``refresh``.
    """
    claims = _signed_claims(raw)
    is_valid = claims and claims["token_type"] == kind and claims["exp"] > times.now().timestamp()
    return claims if is_valid else None


def token_holder(raw: str) -> str | None:
    """Return the ``unid`` of the user for whom a token was made, even if it has ended; None if it is not ours."""
    claims = _signed_claims(raw)
    return claims["unid"] if claims else None


def _signed_claims(raw: str) -> Claims | None:
    for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        with suppress(jwt.PyJWTError, ValueError):  # it may be signed with an earlier SECRET_KEY
            return _verified(raw, key)
    return None


# Several parts of a request may ask (the view, the sandbox's switches), so the result is kept. Invalid tokens raise and
# are not kept: otherwise strangers could push out the tokens of our users.
@lru_cache(maxsize=4096)
def _verified(raw: str, key: str) -> Claims:
    # The library would compare with this host's clock; `token_claims` compares with the database's.
    return jwt.decode(raw, key, [ALGORITHM], options={"verify_exp": False, "verify_iat": False})


def token_revoke(claims: Claims, *, now: datetime) -> None:
    """Make one token invalid before it expires, and with it all that were refreshed from the same login."""
    # Another token of the family may expire later than this one.
    expires_at = max(datetime.fromtimestamp(claims["exp"], UTC), now + settings.JWT_LIFETIME)
    RefreshFamily.objects.filter(jti=claims["jti"]).delete()
    RevokedToken.objects.get_or_create(jti=claims["jti"], defaults={"expires_at": expires_at})
