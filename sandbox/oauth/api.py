"""WeChat's side of the login. As WeChat does, it always answers HTTP 200, JSON as text/plain, errors by ``errcode``."""

import base64
import secrets
from collections.abc import Callable
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse, QueryDict

from sandbox.faults import faults_on, provider_endpoint
from sandbox.keys import sandbox_values
from sandbox.models import FaultKind
from sandbox.oauth.grants import TOKEN_TTL_S, LoginRefused, code_redeem, token_grant, token_make

PROFILE_SCOPE = "snsapi_userinfo"


def _answer(call: Callable[[QueryDict], dict[str, Any]]) -> Callable[[HttpRequest], HttpResponse]:
    @provider_endpoint(slow=FaultKind.OAUTH_SLOW, down=FaultKind.OAUTH_DOWN)
    def answered(request: HttpRequest) -> HttpResponse:
        try:
            body = call(request.GET)
        except LoginRefused as error:
            rid = f"{secrets.token_hex(4)}-{secrets.token_hex(4)}-{secrets.token_hex(4)}"
            body = {"errcode": error.errcode, "errmsg": f"{error}, rid: {rid}"}
        return HttpResponse(orjson.dumps(body), content_type="text/plain")

    return answered


def _check_app(query: QueryDict, appid: str, secret: str) -> None:
    """Check which app asks.

    :raises LoginRefused: another app, or not its secret.
    """
    if query.get("appid") != appid:
        raise LoginRefused(40013)
    if query.get("secret") != secret:
        raise LoginRefused(40125)


@_answer
def access_token(query: QueryDict) -> dict[str, Any]:
    """``GET /sns/oauth2/access_token?appid=&secret=&code=&grant_type=authorization_code``"""
    values = sandbox_values()
    _check_app(query, values["WECHAT_APP_ID"], values["WECHAT_APP_SECRET"])
    grant = code_redeem(query.get("code", ""), appid=values["WECHAT_APP_ID"])
    person = grant.person
    body = {
        "access_token": token_make(grant),
        "expires_in": TOKEN_TTL_S,
        "refresh_token": secrets.token_urlsafe(64),  # our side never uses it
        "openid": person.openid(grant.appid),
        "scope": grant.scope,
    }
    more = {"is_snapshotuser": 1} if grant.is_snapshot else {}
    return body | more | ({"unionid": person.unionid} if person.is_linked else {})


@_answer
def userinfo(query: QueryDict) -> dict[str, Any]:
    """``GET /sns/userinfo?access_token=&openid=&lang=zh_CN``"""
    grant = token_grant(query.get("access_token", ""))
    person = grant.person
    if query.get("openid") != person.openid(grant.appid):
        raise LoginRefused(40003)
    if grant.scope != PROFILE_SCOPE:
        raise LoginRefused(48001)
    profile = {
        "openid": person.openid(grant.appid),
        "nickname": person.name,
        "sex": person.sex,
        "language": "",
        "city": person.city,
        "province": person.province,
        "country": "中国" if person.city else "",
        "headimgurl": person.headimgurl,
        "privilege": [],
    }
    return profile | ({"unionid": person.unionid} if person.is_linked else {})


@_answer
def jscode2session(query: QueryDict) -> dict[str, Any]:
    """``GET /sns/jscode2session?appid=&secret=&js_code=&grant_type=authorization_code``"""
    values, faults = sandbox_values(), faults_on()
    if FaultKind.OAUTH_BUSY in faults:
        raise LoginRefused(-1)
    _check_app(query, values["WECHAT_MINI_APP_ID"], values["WECHAT_MINI_APP_SECRET"])
    if FaultKind.OAUTH_LIMIT in faults:
        raise LoginRefused(45011)
    grant = code_redeem(query.get("js_code", ""), appid=values["WECHAT_MINI_APP_ID"])
    person = grant.person
    session_key = base64.b64encode(secrets.token_bytes(16)).decode()
    session = {"openid": person.openid(grant.appid), "session_key": session_key}
    return session | ({"unionid": person.unionid} if person.is_linked else {})
