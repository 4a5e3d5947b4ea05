"""Log in by a scan, or in a mini program: WeChat tells who that is, and that user is found or created."""

import hashlib
from collections.abc import Callable
from typing import Any

import orjson
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils.crypto import get_random_string, salted_hmac

from accounts import avatars
from accounts.errors import MiniNotConfigured, UserDisabled, WechatCodeSpent, WechatSnapshot, WechatSnapshotLeft
from accounts.models import User
from accounts.services.login_records import LoginContext, refusals_recorded
from accounts.wechat import WechatProfile, WechatUnclear, profile_fetch, profile_named, session_fetch
from core.cache import ratelimit, valkey
from core.errors import Throttled, UpstreamDown
from permissions.models import DEFAULT_ROLEID, DataScope, Role
from permissions.services.roles import role_scoped

# A used code is remembered longer than any code of WeChat is valid.
SPENT_FOR_S = 15 * 60
# What WeChat's developer tool gives as code in a project without an AppID.
MOCK_CODE = "the code is a mock one"
# For each address, because each call asks WeChat: enough for a whole school, too few to use up WeChat's quota.
LOGINS_A_MINUTE = 1200
_SNAPSHOT = b"snapshot"
_SHOWN = ("nickname", "headimgurl")


def wechat_verify(*, code: str, context: LoginContext) -> User:
    """Return the active user (with its role) who scanned. An unknown person becomes a user. A refusal is recorded.

    :raises WechatCodeSpent: the code is false or was used before.
    :raises UserDisabled: nothing has changed.
    :raises UpstreamDown: WeChat gives no usable answer.
    """
    with refusals_recorded(context):
        return user_find_or_create(_kept_profile(code) or _profile(code, profile_fetch))


def mini_verify(*, code: str, nickname: str, headimgurl: str, context: LoginContext) -> tuple[User, str]:
    """Return the active user (with its role) who opened the mini program, and the openid there.

    With the sandbox the developer tool's ``MOCK_CODE`` is a guest, whom all callers of a network share.

    :raises MiniNotConfigured: this server has no mini program.
    :raises WechatCodeSpent, UserDisabled, UpstreamDown: as ``wechat_verify``; also Throttled.
    """
    if not (settings.WECHAT_MINI_APP_ID and settings.WECHAT_MINI_APP_SECRET):
        raise MiniNotConfigured
    with refusals_recorded(context):
        if settings.SANDBOX and code == MOCK_CODE:
            guest = salted_hmac("accounts.guest", context.network, algorithm="sha256").hexdigest()[:20]
            profile = WechatProfile(settings.WECHAT_MINI_APP_ID, f"guest-{guest}", nickname="游客")
            role = role_scoped(roleid=DEFAULT_ROLEID, scope=DataScope.OWN)
        else:
            profile, role = profile_named(_profile(code, session_fetch), nickname=nickname, headimgurl=headimgurl), None
        return user_find_or_create(profile, role=role), profile.openid


def profile_keep(*, code: str) -> None:
    """Ask WeChat who scanned, and keep the profile for ``wechat_verify``.

    The phone waits for this, because only the exchange of the code tells a snapshot page from a person. If WeChat
    refuses the code or does not answer, nothing is kept: the login asks again, and tells the screen what is wrong.

    :raises WechatSnapshot: WeChat shows the phone a snapshot page; ``WechatSnapshotLeft`` when it had the code before.
    :raises WechatCodeSpent: another request came with the same code.
    """
    try:
        _spend(code)
    except WechatCodeSpent:
        if valkey.client().get(_key(code)) == _SNAPSHOT:
            raise WechatSnapshotLeft from None
        raise
    try:
        profile = profile_fetch(code=code)
    except WechatSnapshot:
        valkey.client().set(_key(code), _SNAPSHOT, ex=SPENT_FOR_S)
        raise
    except (WechatCodeSpent, UpstreamDown):
        valkey.client().delete(_key(code))
    else:
        valkey.client().set(_key(code, "profile"), orjson.dumps(profile), ex=SPENT_FOR_S)


def profile_limit(network: str) -> None:
    """Count a question to WeChat, from whichever call.

    :raises Throttled: there were too many from the caller's network.
    """
    if wait_s := ratelimit.hit(f"wechat-login:{network}", limit=LOGINS_A_MINUTE, window_s=60):
        raise Throttled(wait_s)


def _kept_profile(code: str) -> WechatProfile | None:
    profile = valkey.client().getdel(_key(code, "profile"))
    return WechatProfile(**orjson.loads(profile)) if profile else None


def _profile(code: str, fetch: Callable[..., WechatProfile]) -> WechatProfile:
    _spend(code)
    try:
        return fetch(code=code)
    except WechatSnapshot:
        raise WechatCodeSpent from None
    except (WechatUnclear, Throttled):
        # We do not know whether WeChat counted the code as used. Let the client try it again: WeChat decides.
        valkey.client().delete(_key(code))
        raise


def user_find_or_create(profile: WechatProfile, *, role: Role | None = None) -> User:
    """Find or create the user of a WeChat profile, and update nickname and picture.

    :param role: of a user who is created, if it is not that of all such users.
    :raises UserDisabled: nothing has changed.
    """
    user = _find(profile) or _create(profile, role)
    if not user.is_active:
        raise UserDisabled
    _refresh(user, profile)
    return user


def unionid_give(*, user_pk: int, unionid: str) -> None:
    """Let the person whom WeChat knows by ``unionid`` log in as this user, if the user has no unionid yet."""
    User.objects.filter(pk=user_pk, unionid=None).update(unionid=unionid)


def _spend(code: str) -> None:
    # WeChat accepts a code once, but two requests at the same moment might both pass there. So only the first may ask.
    if not valkey.client().set(_key(code), 1, ex=SPENT_FOR_S, nx=True):
        raise WechatCodeSpent


def _key(code: str, purpose: str = "spent") -> str:
    return f"spms:scan:{purpose}:{hashlib.sha256(code.encode()).hexdigest()}"


def _find(profile: WechatProfile) -> User | None:
    users = User.objects.select_related("role")
    by_openid = users.filter(wechat_appid=profile.appid, openid=profile.openid)
    # WeChat sends unionids only once the app is bound to an open platform account. Users who logged in earlier have
    # none, and those from before a change of that account another one: they are found by their openid.
    by_unionid = users.filter(unionid=profile.unionid).first() if profile.unionid else None
    return by_unionid or by_openid.first()


def _create(profile: WechatProfile, role: Role | None) -> User:
    fields = {name: getattr(profile, name) for name in ("headimgurl", "sex", "city", "province", "country")}
    fields |= {
        "username": "wx_" + get_random_string(10).lower(),
        "password": make_password(None),
        "role": role or Role.objects.get(roleid=DEFAULT_ROLEID),
        "unionid": profile.unionid or None,
        "nickname": profile.nickname or "微信用户",
    }
    # Two first logins of a person may come at once: one inserts, and the other finds that user.
    user, _ = User.objects.get_or_create(wechat_appid=profile.appid, openid=profile.openid, defaults=fields)
    return user


def _refresh(user: User, profile: WechatProfile) -> None:
    """Update nickname, picture and unionid from the profile; a value that WeChat leaves out does not change.

    An account with a password has a name that staff or its owner gave it, and keeps it.
    """
    names = () if user.has_usable_password() else _SHOWN
    fresh: dict[str, Any] = {name: getattr(profile, name) for name in names if getattr(profile, name)}
    if profile.unionid and user.unionid is None:
        fresh["unionid"] = profile.unionid
    changes = {name: value for name, value in fresh.items() if getattr(user, name) != value}
    if changes:
        for name, value in changes.items():
            setattr(user, name, value)
        with transaction.atomic():
            user.save(update_fields=list(changes))
            if "headimgurl" in changes:
                avatars.avatar_keep(user_pk=user.pk, url=user.headimgurl)
