"""Issue, check, refresh and revoke tokens. simplejwt signs them; ``accounts.authentication`` knows the revoked ones.

A client that asks for it also gets a refresh token. Each one works once and gives the next, and all that come from one
login are a family: its tokens have the same ``jti``, so that revoking it ends all of them. If a used refresh token
comes again, it or its successor was stolen, and the family ends.
"""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import F
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError
from rest_framework_simplejwt.settings import api_settings as jwt_settings
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token

from accounts.models import RefreshFamily, RevokedToken, User
from core import times
from core.audit import audited
from core.errors import TokenInvalid


class Tokens(NamedTuple):
    """What a login with ``refresh=1`` and a refresh answer. ``expires_in`` is the token's lifetime in seconds."""

    token: str
    refresh: str
    expires_in: int


def token_issue(user: User, *, payer: tuple[str, str] | None = None) -> str:
    """Return a new token for ``user``, valid for ``JWT_LIFETIME``.

    :param payer: the appid and openid with which a payment of this login's client is paid.
    """
    token = _token_with(AccessToken(), user, settings.JWT_LIFETIME)
    if payer:
        token["payer"] = payer
    return str(token)


def family_begin(*, user: User, access_s: int | None) -> Tokens:
    """Issue the first tokens of a login that will be refreshed.

    :param access_s: the lifetime of each token, at most ``JWT_LIFETIME``, which is the default.
    """
    access_s = access_s or int(settings.JWT_LIFETIME.total_seconds())
    refresh = _refresh_token(user, access_s, family=uuid4().hex)
    expires_at = datetime.fromtimestamp(refresh["exp"], UTC)
    RefreshFamily.objects.create(jti=refresh["family"], current=refresh["jti"], expires_at=expires_at)
    return _pair(user, refresh)


def tokens_refresh(raw: str, *, now: datetime) -> Tokens:
    """Use up a refresh token and issue the next pair.

    :raises TokenInvalid: it is not ours, has expired, was used before, or its login has ended. The login ends with it.
    """
    claims = token_claims(raw, RefreshToken.token_type)
    if claims is None:
        raise TokenInvalid
    users = User.objects.filter(unid=claims["unid"], epoch=claims["epoch"], is_active=True)
    if (user := users.select_related("role").first()) is not None:
        refresh = _refresh_token(user, claims["access_s"], family=claims["family"])
        # One statement compares and replaces: if a token comes twice at once, the second one changes no row.
        is_newest = RefreshFamily.objects.filter(jti=claims["family"], current=claims["jti"]).update(
            current=refresh["jti"], expires_at=datetime.fromtimestamp(refresh["exp"], UTC)
        )
        if is_newest:
            if settings.PRACTICE:  # whoever refreshes uses the account; all tokens end within JWT_LIFETIME
                User.objects.filter(pk=user.pk).update(last_login=now)
            return _pair(user, refresh)
    if RefreshFamily.objects.filter(jti=claims["family"]).exists():
        token_revoke({"jti": claims["family"], "exp": 0}, now=now)
    raise TokenInvalid


def _refresh_token(user: User, access_s: int, *, family: str) -> Token:
    token = _token_with(RefreshToken(), user, settings.JWT_REFRESH_LIFETIME)
    token["family"], token["access_s"] = family, access_s
    return token


def _pair(user: User, refresh: Token) -> Tokens:
    access_s = refresh["access_s"]
    token = _token_with(AccessToken(), user, timedelta(seconds=access_s))
    token["jti"] = refresh["family"]
    return Tokens(str(token), str(refresh), access_s)


def _token_with(token: Token, user: User, lifetime: timedelta) -> Token:
    now = times.now()
    token.set_exp(from_time=now, lifetime=lifetime)
    token.set_iat(at_time=now)
    if settings.SANDBOX:
        # A switch ends the tokens that exist, and `iat` is in whole seconds: one that is issued right after it must
        # be told from those before.
        token["iat_ms"] = now.microsecond // 1000
    token["unid"] = user.unid
    token["username"] = user.username
    token["epoch"] = user.epoch
    return token


def token_claims(raw: str, kind: str = AccessToken.token_type) -> dict[str, Any] | None:
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


def _signed_claims(raw: str) -> dict[str, Any] | None:
    for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        with suppress(TokenBackendError, ValueError):  # it may be signed with an earlier SECRET_KEY
            return _verified(raw, key)
    return None


# The library compares with this host's clock, so it must refuse nothing: `token_claims` compares with the database's.
_ANY_TIME = timedelta(days=36500)


# Several parts of a request may ask (the view, the sandbox's switches), so the result is kept. Invalid tokens raise and
# are not kept: otherwise strangers could push out the tokens of our users.
@lru_cache(maxsize=4096)
def _verified(raw: str, key: str) -> dict[str, Any]:
    return TokenBackend(jwt_settings.ALGORITHM, key, leeway=_ANY_TIME).decode(raw)  # type: ignore[arg-type]


def token_revoke(claims: dict[str, Any], *, now: datetime) -> None:
    """Make one token invalid before it expires, and with it all that were refreshed from the same login."""
    # Another token of the family may expire later than this one.
    expires_at = max(datetime.fromtimestamp(claims["exp"], UTC), now + settings.JWT_LIFETIME)
    RefreshFamily.objects.filter(jti=claims["jti"]).delete()
    RevokedToken.objects.get_or_create(jti=claims["jti"], defaults={"expires_at": expires_at})


@transaction.atomic
def tokens_end(user_pks: list[int], actor_pk: int | None = None, **fields: Any) -> None:
    """Set ``fields`` of these users, and end all their tokens and back-office sessions. ``User.save`` does so too."""
    users = User.objects.filter(pk__in=user_pks)
    with audited(users, actor_pk=actor_pk):
        users.update(epoch=F("epoch") + 1, **fields)


def tokens_purge(*, now: datetime) -> int:
    """Delete revoked tokens and refreshed logins whose lifetime is over; return how many."""
    return sum(model.objects.filter(expires_at__lt=now).delete()[0] for model in (RevokedToken, RefreshFamily))
