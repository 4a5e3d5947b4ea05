"""WeChat's side of the login. As WeChat does, it always answers HTTP 200, JSON as text/plain, errors by ``errcode``."""

import secrets
from collections.abc import Callable
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict
from django.templatetags.static import static

from sandbox.faults import provider_endpoint
from sandbox.keys import sandbox_values
from sandbox.models import FaultKind
from sandbox.oauth.grants import TOKEN_TTL_S, LoginRefused, code_redeem, person_named, token_grant, token_make

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


@_answer
def access_token(query: QueryDict) -> dict[str, Any]:
    """``GET /sns/oauth2/access_token?appid=&secret=&code=&grant_type=authorization_code``"""
    values = sandbox_values()
    if query.get("appid") != values["WECHAT_APP_ID"]:
        raise LoginRefused(40013)
    if query.get("secret") != values["WECHAT_APP_SECRET"]:
        raise LoginRefused(40125)
    grant = code_redeem(query.get("code", ""))
    person = person_named(grant.name)
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
    person = person_named(grant.name)
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
        "headimgurl": settings.PUBLIC_BASE_URL + static(f"sandbox/faces/{person.face}.svg") if person.face else "",
        "privilege": [],
    }
    return profile | ({"unionid": person.unionid} if person.is_linked else {})
