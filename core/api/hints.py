"""What a beginner has probably done wrong: a sentence beside ``msg``, in development only.

``ApiViewSet`` adds it as ``hint`` where the setting ``HINTS`` is on.
"""

import time
from contextlib import suppress
from typing import Any, cast

import jwt
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from core.errors import DomainError


def hint_for(request: Request, body: dict[str, Any]) -> str | None:
    """Return the sentence for an answer with the body ``body``, or None."""
    if body.get("state") is False:
        with suppress(APIException, DomainError):  # the body may be unreadable, and the view has not read it yet
            return _about_format(request, body) or _about_login(request, body) or _about_parameters(request, body)
        return None
    if request.query_params.get("page") and "total" in body and not request.query_params.get("count"):
        return "只传了 page:没有 count 时 page 不起作用,给出的是全部数据"
    return None


def _about_format(request: Request, body: dict[str, Any]) -> str | None:
    kind = request.META.get("CONTENT_TYPE", "").lower()
    if body["status"] == 405:
        methods = request.parser_context["view"].allowed_methods[:-1]
        return f"这个接口用 {'、'.join(methods)},不是 {request.method}"
    if kind.startswith("multipart/") and "boundary=" not in kind:
        return "Content-Type 里没有 boundary:用 FormData 上传时不要自己设置 Content-Type,浏览器会写"
    if body["status"] == 415:
        return "请求头 Content-Type 要与请求体一致:JSON 用 application/json,表单用 application/x-www-form-urlencoded"
    return "请求体不是有效的 JSON 对象:用 JSON.stringify 生成" if body["status"] == 400 else None


def _about_login(request: Request, body: dict[str, Any]) -> str | None:
    match body.get("code"):
        case "10022":
            name = next((name for name in ("token", "access-token", "x-token") if request.headers.get(name)), "")
            return (f"你的请求头叫 {name}:" if name else "") + "登入返回的 token 放在请求头 authorization 里"
        case "1004":
            return _about_token(request)
        case "10026":
            return "已登入,但这个角色没有该接口,或老师把这个班设成了只读:换一个账号,或在后台的角色里加上"
    return None


def _about_token(request: Request) -> str:
    raw = request.META.get("HTTP_AUTHORIZATION", "").split(" ")[-1] or request.query_params.get("token", "")
    try:
        is_over = jwt.decode(raw, options={"verify_signature": False})["exp"] < time.time()
    except (jwt.InvalidTokenError, KeyError, TypeError):
        return "这不是登入返回的 token:检查是否多了引号,或者被截断了"
    return "token 已经过期:清除本地的 token,重新登入" if is_over else "token 已经注销(退出、改密码或停用):重新登入"


def _about_parameters(request: Request, body: dict[str, Any]) -> str | None:
    msg, data = str(body.get("msg")), cast(dict[str, Any], request.data) if request.method == "POST" else {}
    if "验证码" in msg and not (request.COOKIES or request.query_params.get("key") or data.get("key")):
        return "请求没有带 cookie(页面用 localhost、接口用 127.0.0.1 时浏览器不会带):把 getCaptcha 返回的 key 一起传"
    if request.method == "POST" and request.query_params and not data:
        return "POST 的参数放在请求体里,不是查询串"
    if request.method == "GET" and not request.query_params and int(request.META.get("CONTENT_LENGTH") or 0):
        return "GET 的参数放在查询串里(axios 用 params),不是请求体"
    if request.method != "POST" or not ("图片" in msg or "上传" in msg):
        return None
    if "uploadavatar" in request.path.lower() and not (data.get("uId") or data.get("unid")):
        return "缺少 uId:登入返回的 userInfo.unid"
    if not request.FILES:
        return "请求里没有文件:用 FormData,文件字段名见接口文档"
    return f"收到的文件字段名是 {'、'.join(sorted(request.FILES))[:80]}:与接口文档对照"
