"""What a beginner has probably done wrong: a sentence beside ``msg``, in development only.

Each function below gets the request and the refusal's body, and returns the sentence if the mistake is the one that it
knows. ``ApiViewSet`` adds the first one found as ``hint`` where the setting ``HINTS`` is on.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import jwt
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from core.errors import DomainError

_HINTS: list[Callable[[Request, dict[str, Any]], str | None]] = []


def hint_for(request: Request, body: dict[str, Any]) -> str | None:
    """Return the sentence for an answer with the body ``body``, or None."""
    if body.get("state") is False:
        with suppress(APIException, DomainError):  # the body may be unreadable, and nobody has read it yet
            return next((text for look in _HINTS if (text := look(request, body))), None)
        return None
    if request.query_params.get("page") and "total" in body and not request.query_params.get("count"):
        return "只传了 page:没有 count 时 page 不起作用,给出的是全部数据"
    return None


def _hint(look: Callable[[Request, dict[str, Any]], str | None]) -> Any:
    _HINTS.append(look)
    return look


def _data(request: Request) -> Any:
    return request.data


@_hint
def _wrong_method(request: Request, body: dict[str, Any]) -> str | None:
    if body["status"] != 405:
        return None
    allowed = request.parser_context["view"].allowed_methods[:-1]
    return f"这个接口用 {'、'.join(allowed)},不是 {request.method}"


@_hint
def _no_boundary(request: Request, body: dict[str, Any]) -> str | None:
    kind = request.META.get("CONTENT_TYPE", "").lower()
    if kind.startswith("multipart/") and "boundary=" not in kind:
        return "Content-Type 里没有 boundary:用 FormData 上传时不要自己设置 Content-Type,浏览器会写"
    return None


@_hint
def _odd_type(request: Request, body: dict[str, Any]) -> str | None:
    if body["status"] == 415:
        return "请求头 Content-Type 要与请求体一致:JSON 用 application/json,表单用 application/x-www-form-urlencoded"
    return "请求体不是有效的 JSON 对象:用 JSON.stringify 生成" if body["status"] == 400 else None


@_hint
def _no_token(request: Request, body: dict[str, Any]) -> str | None:
    if body.get("code") != "10022":
        return None
    names = [name for name in ("token", "access-token", "x-token") if request.headers.get(name)]
    sent = f"你的请求头叫 {names[0]}:" if names else ""
    return f"{sent}登入返回的 token 放在请求头 authorization 里"


@_hint
def _old_token(request: Request, body: dict[str, Any]) -> str | None:
    if body.get("code") != "1004":
        return None
    raw = request.META.get("HTTP_AUTHORIZATION", "").split(" ")[-1] or request.query_params.get("token", "")
    try:
        ends_at = jwt.decode(raw, options={"verify_signature": False})["exp"]
        is_over = ends_at < time.time()
    except (jwt.InvalidTokenError, KeyError, TypeError):
        return "这不是登入返回的 token:检查是否多了引号,或者被截断了"
    return "token 已经过期:清除本地的 token,重新登入" if is_over else "token 已经注销(退出、改密码或停用):重新登入"


@_hint
def _no_role(request: Request, body: dict[str, Any]) -> str | None:
    return "已登入,但这个角色没有该接口:换一个账号,或在后台的角色里加上" if body.get("code") == "10026" else None


@_hint
def _captcha(request: Request, body: dict[str, Any]) -> str | None:
    has_key = request.query_params.get("key") or (request.method == "POST" and _data(request).get("key"))
    if "验证码" not in str(body.get("msg")) or request.COOKIES or has_key:
        return None
    return "请求没有带 cookie(页面用 localhost、接口用 127.0.0.1 时浏览器不会带):把 getCaptcha 返回的 key 一起传"


@_hint
def _other_place(request: Request, body: dict[str, Any]) -> str | None:
    if request.method == "POST" and request.query_params and not request.data:
        return "POST 的参数放在请求体里,不是查询串"
    if (
        request.method == "GET"
        and not request.query_params
        and request.META.get("CONTENT_LENGTH", "0") not in {"", "0"}
    ):
        return "GET 的参数放在查询串里(axios 用 params),不是请求体"
    return None


@_hint
def _file(request: Request, body: dict[str, Any]) -> str | None:
    if request.method != "POST" or not any(word in str(body.get("msg")) for word in ("图片", "上传")):
        return None
    if "uploadavatar" in request.path.lower() and not (_data(request).get("uId") or _data(request).get("unid")):
        return "缺少 uId:登入返回的 userInfo.unid"
    if not request.FILES:
        return "请求里没有文件:用 FormData,文件字段名见接口文档"
    return f"收到的文件字段名是 {'、'.join(sorted(request.FILES))[:80]}:与接口文档对照"
