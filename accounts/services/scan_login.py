"""Logging in with what WeChat says about who scanned."""

import hashlib
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from accounts import avatars
from accounts.errors import UserDisabled, WechatCodeSpent
from accounts.models import User
from accounts.services.attempts import Door, Outcome, Where, attempt_record
from accounts.services.login import login_complete
from accounts.wechat import WechatProfile, WechatUnclear, profile_fetch
from core.cache import valkey
from core.ids import random_text
from permissions.models import DEFAULT_ROLEID, Role

# Longer than any code of WeChat's lives.
SPENT_FOR_S = 15 * 60
_SHOWN = ("nickname", "headimgurl")
_NAME_LENGTH = 10


def wechat_login(*, code: str, ip: str, device: str = "", now: datetime) -> tuple[User, str]:
    """Log in whoever scanned; answer the user, role loaded, and a token. A new face becomes a user.

    :raises WechatCodeSpent: the code is false or was used before.
    :raises UserDisabled: nothing has changed.
    :raises UpstreamDown: WeChat gives no usable answer.
    """
    where: Where = {"door": Door.WECHAT, "ip": ip, "device": device, "now": now}
    try:
        profile = _profile(code)
    except WechatCodeSpent:
        attempt_record(outcome=Outcome.CODE, username="", **where)
        raise
    try:
        user = user_of(profile)
    except UserDisabled:
        attempt_record(outcome=Outcome.DISABLED, username=profile.nickname, **where)
        raise
    return user, login_complete(user=user, ip=ip, now=now)


def _profile(code: str) -> WechatProfile:
    _spend(code)
    try:
        return profile_fetch(code=code)
    except WechatUnclear:
        # Whether the code is used up is now for WeChat to say.
        valkey.client().delete(_spent_key(code))
        raise


def user_of(profile: WechatProfile) -> User:
    """Find the user with this profile, nickname and picture brought up to date, or create one.

    :raises UserDisabled: nothing has changed.
    """
    user = _find(profile) or _create(profile)
    if not user.is_active:
        raise UserDisabled
    _refresh(user, profile)
    return user


def _spend(code: str) -> None:
    # WeChat's own word that a code works once may come late: two logins at once must not both ask.
    if not valkey.client().set(_spent_key(code), 1, ex=SPENT_FOR_S, nx=True):
        raise WechatCodeSpent


def _spent_key(code: str) -> str:
    return f"spms:scan:spent:{hashlib.sha256(code.encode()).hexdigest()}"


def _find(profile: WechatProfile) -> User | None:
    users = User.objects.select_related("role")
    by_openid = users.filter(wechat_appid=profile.appid, openid=profile.openid)
    if not profile.unionid:
        return by_openid.first()
    # Who logged in before the app was told unionids is known by openid only.
    return users.filter(unionid=profile.unionid).first() or by_openid.filter(unionid=None).first()


def _create(profile: WechatProfile) -> User:
    draft = User(
        username="wx_" + random_text(_NAME_LENGTH).lower(),
        role=Role.objects.get(roleid=DEFAULT_ROLEID),
        wechat_appid=profile.appid,
        openid=profile.openid,
        unionid=profile.unionid or None,
        **_personal(profile),
    )
    draft.set_unusable_password()
    try:
        # The constraints decide: of two first logins at once, one creates the user and the other finds it.
        with transaction.atomic():
            draft.save(force_insert=True)
    except IntegrityError:
        return _find(profile) or _openid_of_another(profile)
    return draft


def _openid_of_another(profile: WechatProfile) -> User:
    """The openid is known under another unionid: the app has moved to another open platform account."""
    return User.objects.select_related("role").get(wechat_appid=profile.appid, openid=profile.openid)


def _refresh(user: User, profile: WechatProfile) -> None:
    """Keep what WeChat shows of the user; what it leaves out stays."""
    wanted: dict[str, Any] = {name: getattr(profile, name) for name in _SHOWN if getattr(profile, name)}
    if profile.unionid and user.unionid is None:
        wanted["unionid"] = profile.unionid
    changed = {name: value for name, value in wanted.items() if getattr(user, name) != value}
    if changed:
        for name, value in changed.items():
            setattr(user, name, value)
        with transaction.atomic():
            user.save(update_fields=list(changed))
            if "headimgurl" in changed:
                avatars.avatar_keep(user_pk=user.pk, url=user.headimgurl)


def _personal(profile: WechatProfile) -> dict[str, str]:
    return {
        "nickname": profile.nickname or "微信用户",
        "headimgurl": profile.headimgurl,
        "sex": profile.sex,
        "city": profile.city,
        "province": profile.province,
        "country": profile.country,
    }
