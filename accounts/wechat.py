"""WeChat's OAuth, asked through wechatpy: who is it that scanned?

Errors name neither URL nor answer: both hold the secret, the code or a token.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

import structlog
from django.conf import settings
from wechatpy.exceptions import WeChatOAuthException
from wechatpy.oauth import WeChatOAuth

from accounts.errors import WechatCodeSpent
from core import http
from core.errors import UpstreamDown
from core.upstreams import Upstream

log = structlog.get_logger("accounts.wechat")

TIMEOUT_S = 5
MAX_BYTES = 64_000
UPSTREAM = Upstream("wechat_login")
MAX_ID, MAX_NICKNAME, MAX_URL = 128, 64, 500
# The code is false, used or over, or what it gave is: only a new scan helps. WeChat does not promise that
# the list is complete; what is not on it is our configuration or WeChat's trouble, and nobody's new scan helps.
_SCAN_AGAIN = {40001, 40003, 40029, 40163, 41008, 42001, 42003}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True)
class WechatProfile:
    """``unionid`` is '' unless the app may know it; the rest may be '' too, save ``openid``."""

    appid: str
    openid: str
    unionid: str
    nickname: str
    headimgurl: str
    sex: str
    city: str
    province: str
    country: str


class WechatUnclear(UpstreamDown):
    """No usable answer to the first question: the code may still be good."""

    msg = "微信服务暂时不可用,请稍后再试"


class WechatLost(UpstreamDown):
    """No usable answer to the second question: the code is used up."""

    msg = "微信服务暂时不可用,请重新扫码"


class _OAuth(WeChatOAuth):
    """wechatpy's client with a deadline and a size limit; one object per login, for it keeps the user's token."""

    def __init__(self) -> None:
        super().__init__(settings.WECHAT_APP_ID, settings.WECHAT_APP_SECRET, redirect_uri="")
        self.API_BASE_URL = f"{settings.WECHAT_API_BASE_URL}/"

    def _request(self, method: str, url_or_endpoint: str, **kwargs: Any) -> dict[str, Any]:
        url = self.API_BASE_URL + url_or_endpoint
        body = http.get(url, upstream=UPSTREAM, params=kwargs["params"], timeout_s=TIMEOUT_S, max_bytes=MAX_BYTES)
        # It is JSON in UTF-8, whatever its Content-Type says.
        answer = json.loads(body.decode("utf-8", "replace"), strict=False)
        if not isinstance(answer, dict) or not isinstance(answer.get("errcode", 0), int):
            raise ValueError("not an answer of WeChat's")
        if answer.get("errcode"):
            raise WeChatOAuthException(answer["errcode"], str(answer.get("errmsg", "")))
        return {"refresh_token": "", "expires_in": 0} | answer  # wechatpy wants them, we do not


def profile_fetch(*, code: str) -> WechatProfile:
    """Trade WeChat's code for the profile of who scanned.

    :raises WechatCodeSpent: WeChat does not take the code.
    :raises WechatUnclear: :raises WechatLost: no usable answer.
    """
    oauth = _OAuth()
    try:
        with UPSTREAM.room():  # for both questions: the first one uses the code up
            token = _ask(lambda: _checked(oauth.fetch_access_token(code)), WechatUnclear)
            person = _ask(oauth.get_user_info, WechatLost)
    except http.UpstreamRefused as refused:
        raise WechatUnclear(**refused.answer()) from None
    openid = token["openid"]
    if person.get("openid") != openid:
        log.error("wechat gave the profile of somebody else")
        raise WechatLost
    unionid = person.get("unionid") or token.get("unionid")
    return WechatProfile(
        appid=oauth.app_id,
        openid=openid,
        unionid=str(unionid) if _is_id(unionid) else "",
        nickname=_text(person.get("nickname"))[:MAX_NICKNAME],
        headimgurl=_picture(person.get("headimgurl")),
        sex=str(person.get("sex") or "")[:8] if isinstance(person.get("sex"), int | str) else "",
        **{name: _text(person.get(name))[:64] for name in ("city", "province", "country")},
    )


def _ask(question: Any, trouble: type[UpstreamDown]) -> dict[str, Any]:
    try:
        return question()
    except WeChatOAuthException as error:
        if error.errcode in _SCAN_AGAIN:
            raise WechatCodeSpent from None
        log.error("wechat refuses", errcode=str(error.errcode)[:20])
    except http.OutgoingTimeout:
        log.warning("wechat does not answer in time")
        raise trouble(status=504, http_status=504) from None
    except http.OutgoingError as error:
        log.warning("wechat does not answer", reason=str(error))
    except (ValueError, KeyError, RecursionError) as error:
        log.error("wechat talks nonsense", reason=type(error).__name__)
    raise trouble


def _checked(token: dict[str, Any]) -> dict[str, Any]:
    if not _is_id(token["openid"]) or not isinstance(token["access_token"], str):
        raise ValueError("not a token")
    return token


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(rf"[\x21-\x7e]{{1,{MAX_ID}}}", value) is not None


def _text(value: Any) -> str:
    return _CONTROL.sub("", value).strip() if isinstance(value, str) else ""


def _picture(value: Any) -> str:
    url = _text(value)
    return url if len(url) <= MAX_URL and re.match(r"https?://[^\s\"'<>]+\Z", url) else ""
