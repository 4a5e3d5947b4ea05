"""Ask WeChat who somebody is: OAuth 2.0 for web pages after a scan, ``jscode2session`` after a mini program's login.

Errors and logs never contain URLs or answers, because these hold the secret, the code or a token.
"""

import json
import re
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import structlog
from django.conf import settings

from accounts.errors import WechatCodeSpent, WechatSnapshot
from core import http
from core.errors import Throttled, UpstreamDown
from core.upstreams import Upstream

log = structlog.get_logger("accounts.wechat")

TIMEOUT_S = 5
MAX_BYTES = 64_000
UPSTREAM = Upstream("wechat_login")
MAX_ID, MAX_NICKNAME, MAX_URL = 128, 64, 500
# WeChat's errors about the code or the token made from it (wrong, used, expired): a new scan helps. All other errors
# are taken for faults of our configuration or of WeChat, where a new scan does not help. Add a new code of WeChat's
# here.
_SCAN_AGAIN = {40001, 40003, 40029, 40163, 41008, 42001, 42003}
_TOO_OFTEN = 45011  # more than 100 times a minute for one person
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True)
class WechatProfile:
    """What WeChat tells about a person. Everything but ``appid`` and ``openid`` may be empty."""

    appid: str
    openid: str
    unionid: str = ""
    nickname: str = ""
    headimgurl: str = ""
    sex: str = ""
    city: str = ""
    province: str = ""
    country: str = ""


class WechatUnclear(UpstreamDown):
    """WeChat did not answer the first request (code for token) usably; the code may still be valid."""

    msg = "微信服务暂时不可用,请稍后再试"


class WechatLost(UpstreamDown):
    """WeChat did not answer the second request (profile) usably; the code is used up."""

    msg = "微信服务暂时不可用,请重新扫码"


_WECHAT_BUSY = partial(WechatUnclear, status=503, http_status=503)


def profile_fetch(*, code: str) -> WechatProfile:
    """Return the profile of the person who scanned, in exchange for WeChat's code.

    :raises WechatCodeSpent: WeChat refuses the code.
    :raises WechatSnapshot: the code is that of a virtual account; it is used up.
    :raises WechatUnclear, WechatLost: WeChat gave no usable answer.
    """
    app = {"appid": settings.WECHAT_APP_ID, "secret": settings.WECHAT_APP_SECRET}
    with UPSTREAM.room(_WECHAT_BUSY):  # for both requests, since the first one uses the code up
        token = _ask("oauth2/access_token", WechatUnclear, **app, code=code, grant_type="authorization_code")
        if not _is_id(token.get("openid")) or not isinstance(token.get("access_token"), str):
            log.error("wechat talks nonsense", reason="not a token")
            raise WechatUnclear
        if token.get("is_snapshotuser"):
            raise WechatSnapshot
        openid = token["openid"]
        person = _ask("userinfo", WechatLost, access_token=token["access_token"], openid=openid, lang="zh_CN")
    if person.get("openid") != openid:
        log.error("wechat gave the profile of another person")
        raise WechatLost
    unionid = person.get("unionid") or token.get("unionid")
    return WechatProfile(
        appid=app["appid"],
        openid=openid,
        unionid=str(unionid) if _is_id(unionid) else "",
        nickname=_text(person.get("nickname"))[:MAX_NICKNAME],
        headimgurl=_picture(person.get("headimgurl")),
        sex=str(person.get("sex") or "")[:8] if isinstance(person.get("sex"), int | str) else "",
        **{name: _text(person.get(name))[:64] for name in ("city", "province", "country")},
    )


def session_fetch(*, code: str) -> WechatProfile:
    """Return who has opened the mini program, in exchange for the code of ``wx.login``: ids without name and picture.

    The answer also holds the ``session_key``, with which the person's data could be read. It is dropped here.

    :raises WechatCodeSpent: WeChat refuses the code.
    :raises Throttled: the person has logged in too often within a minute.
    :raises WechatUnclear: WeChat gave no usable answer.
    """
    app = {"appid": settings.WECHAT_MINI_APP_ID, "secret": settings.WECHAT_MINI_APP_SECRET}
    with UPSTREAM.room(_WECHAT_BUSY):
        session = _ask("jscode2session", WechatUnclear, **app, js_code=code, grant_type="authorization_code")
    openid, unionid = session.get("openid"), session.get("unionid")
    if not _is_id(openid):
        log.error("wechat talks nonsense", reason="not a session")
        raise WechatUnclear
    return WechatProfile(app["appid"], str(openid), str(unionid) if _is_id(unionid) else "")


def profile_named(profile: WechatProfile, *, nickname: str, headimgurl: str) -> WechatProfile:
    """Return a profile with name and picture as a mini program sent them; WeChat tells a mini program neither."""
    return replace(profile, nickname=_text(nickname)[:MAX_NICKNAME], headimgurl=_picture(headimgurl))


def _ask(call: str, failure: type[UpstreamDown], **params: str) -> dict[str, Any]:
    url = f"{settings.WECHAT_API_BASE_URL}/sns/{call}"
    try:
        body = http.get(url, upstream=UPSTREAM, params=params, timeout_s=TIMEOUT_S, max_bytes=MAX_BYTES)
        # WeChat sends JSON in UTF-8 with another Content-Type.
        result = json.loads(body.decode("utf-8", "replace"), strict=False)
        if not isinstance(result, dict) or not isinstance(result.get("errcode", 0), int):
            raise ValueError("not an answer of WeChat's")
    except http.OutgoingTimeout:
        log.warning("wechat does not answer in time")
        raise failure(status=504, http_status=504) from None
    except http.OutgoingError as error:
        log.warning("wechat does not answer", reason=str(error))
        raise failure from None
    except (ValueError, RecursionError) as error:
        log.error("wechat talks nonsense", reason=type(error).__name__)
        raise failure from None
    if result.get("errcode") in _SCAN_AGAIN:
        raise WechatCodeSpent
    if result.get("errcode") == _TOO_OFTEN:
        raise Throttled(60)
    if result.get("errcode"):
        log.error("wechat refuses", errcode=str(result["errcode"])[:20])
        raise failure
    return result


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(rf"[\x21-\x7e]{{1,{MAX_ID}}}", value) is not None


def _text(value: Any) -> str:
    return _CONTROL.sub("", value).strip() if isinstance(value, str) else ""


def _picture(value: Any) -> str:
    url = _text(value)
    if len(url) > MAX_URL or not re.match(r"https?://[^\s\"'<>]+\Z", url):
        return ""
    # The sandbox's people have pictures on this server, whose address may change.
    own = settings.PUBLIC_BASE_URL
    return url.removeprefix(own) if url.startswith(f"{own}/") else url
