"""What a beginner has probably done wrong: a sentence beside ``msg``, never in production.

``ApiViewSet`` adds it as ``hint`` where the setting ``HINTS`` is on. Each condition looks at the very thing that its
sentence names: the same refusal has other causes, and a false hint sends its reader astray.
"""

import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jwt
from django.conf import settings
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.serializers import FileField
from rest_framework_simplejwt.settings import api_settings

from core.api.access import Access
from core.api.params import Picture, present
from core.api.request import token_of
from core.errors import (
    DomainError,
    LoginRequired,
    NotPermitted,
    TokenInvalid,
    Unreadable,
    UnsupportedFormat,
    WrongMethod,
)

_NO_VALUE = {"undefined", "null", "NaN", "[object Object]"}


@dataclass(frozen=True)
class Case:
    """One answered call: what was asked, and the answer: its HTTP status and its body."""

    request: Request
    endpoint: Any  # an `Endpoint`, whose module imports this one
    http: int
    body: dict[str, Any]

    @property
    def msg(self) -> str:
        return str(self.body.get("msg", ""))

    @property
    def content_type(self) -> str:
        return str(self.request.META.get("CONTENT_TYPE") or "").lower()

    @property
    def method(self) -> str:
        return str(self.request.method)

    @cached_property
    def posted(self) -> Any:
        """What the body holds; nothing if it cannot be read."""
        with suppress(APIException, DomainError, ValueError, OSError):
            return self.request.data if self.method == "POST" else {}
        return {}

    @cached_property
    def sent(self) -> dict[str, Any]:
        """The parameters that the call reads and that are not blank; all of them if one of them cannot be read."""
        source = self.posted if self.method == "POST" else self.request.query_params
        try:
            return present(source)
        except DomainError:
            return {name: source[name] for name in source}

    @cached_property
    def fields(self) -> dict[str, Any]:
        """The parameters that the call takes, by name; none if a word of the query decides which."""
        docs = self.endpoint.docs
        if docs is None or docs.params is None:
            return {}
        if docs.query and self.request.query_params.keys() & docs.query().fields.keys():
            return {}
        return dict(docs.params().fields)

    @property
    def needed(self) -> set[str]:
        """The names without which the call refuses, but those that were sent under another name."""
        docs = self.endpoint.docs
        aliases: dict[str, str] = getattr(docs.params, "aliases", {}) if docs else {}
        others = {name for alias, name in aliases.items() if alias in self.sent}
        return {name for name, field in self.fields.items() if field.required} - others

    @property
    def is_decided_by_parameters(self) -> bool:
        """Tell whether the call was refused, and not before it looked at its parameters."""
        return self.http == 200 and self.body.get("state") is False and "code" not in self.body


def hint_for(case: Case) -> str | None:
    """Return the sentence for an answered call, or None."""
    # What makes the request unreadable stands before what it says.
    finders = (_of_format, _of_login, _of_place, _of_values, _of_files, _of_names)
    return next((sentence for find in finders if (sentence := find(case))), None)


def _of_format(case: Case) -> str | None:
    if case.http == WrongMethod.http_status:
        return f"这个接口用 {'、'.join(case.endpoint.methods)},不是 {case.method}"
    if case.content_type.startswith("multipart/") and "boundary=" not in case.content_type:
        return "Content-Type 里没有 boundary:用 FormData 上传时不要自己设置 Content-Type,浏览器会写"
    if case.http == UnsupportedFormat.http_status:
        return "请求头 Content-Type 要与请求体一致:JSON 用 application/json,表单用 application/x-www-form-urlencoded"
    if case.msg == Unreadable.msg and case.content_type.startswith("application/json"):
        return "请求体不是有效的 JSON 对象:用 JSON.stringify 生成"
    return None


def _of_login(case: Case) -> str | None:
    code = case.body.get("code")
    if code == LoginRequired.code:
        name = next((name for name in ("token", "access-token", "x-token") if case.request.headers.get(name)), "")
        return (f"你的请求头叫 {name}:" if name else "") + "登入返回的 token 放在请求头 authorization 里"
    if code == TokenInvalid.code:
        return _of_dead_token(case)
    if code == NotPermitted.code:
        caller: Any = case.request.user
        # A buyer may call `ship`, but only a role with its path may do all that it does.
        access = Access.ROWS if case.endpoint.row_title else case.endpoint.access
        if caller.role.may_call(case.endpoint.paths, access):
            return "这个角色有该接口,但这条数据不归这个账号改,或老师把这个班设成了只读"
        return "已登入,但这个角色没有该接口:换一个账号,或在后台的角色里加上"
    return None


def _of_dead_token(case: Case) -> str:
    if case.endpoint.path == "/users/refresh":
        return "这个 refresh 不能再用(已经用过、过期或退出),或不是登入返回的 refresh:重新登入"
    raw = token_of(case.request) or ""
    if raw[:1] in {'"', "'"}:
        return "token 两端多了引号:存的时候用了 JSON.stringify,取的时候要 JSON.parse"
    claims: dict[str, Any] | None = None
    for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):  # it may be signed with an earlier one
        with suppress(jwt.InvalidTokenError):
            claims = jwt.decode(raw, key, algorithms=[api_settings.ALGORITHM], options={"verify_exp": False})
            break
    if claims is None:
        return "这不是本服务器登入返回的 token:被截断、改动过,或是另一台服务器的"
    if claims.get("exp", 0) < time.time():
        return "token 已经过期:清除本地的 token,重新登入"
    if claims.get(api_settings.TOKEN_TYPE_CLAIM) == "refresh":
        return "这是 refresh:请求头里放的是 token"
    return "token 已经注销(退出、改密码或停用):重新登入"


def _of_place(case: Case) -> str | None:
    """Look for parameters that stand in the other of query and body, or in a body of another format."""
    query = case.request.query_params
    first = next(iter(case.posted), "")
    if case.content_type.startswith("application/x-www-form-urlencoded") and first.lstrip().startswith("{"):
        return "请求体是 JSON,Content-Type 却是表单:改为 application/json,或用 URLSearchParams 生成表单"
    if case.method == "POST" and not case.posted and (names := [name for name in query if name in case.fields]):
        return f"POST 的参数放在请求体里,不是查询串:{_listed(names)}"
    length = str(case.request.META.get("CONTENT_LENGTH") or "0")
    if case.method == "GET" and not query and case.fields and length not in {"", "0"}:
        return "GET 的参数放在查询串里(axios 用 params),不是请求体"
    return None


def _of_values(case: Case) -> str | None:
    values = [(name, str(value).strip()) for name, value in case.sent.items() if name in case.fields]
    if texts := [f"{name} 的值是文本 {text}" for name, text in values if text in _NO_VALUE]:
        return f"参数 {_listed(texts)}:变量还没有值,请求就发出去了"
    is_json = case.content_type.startswith("application/json")  # of which broken bytes are a 400
    if broken := [name for name, text in values if "\ufffd" in text and not is_json]:
        return f"参数 {_listed(broken)} 的文字不是 UTF-8,收到的是乱码:Windows 命令行里的中文是 GBK"
    is_captcha_wrong = "验证码" in case.msg and case.body.get("state") is False and "captcha" in case.sent
    if is_captcha_wrong and "key" not in case.sent and not case.request.COOKIES.get("captcha"):
        return "请求没有带 cookie(页面用 localhost、接口用 127.0.0.1 时浏览器不会带):把 getCaptcha 返回的 key 一起传"
    return None


def _of_files(case: Case) -> str | None:
    files = sorted(case.request.FILES) if case.posted else []
    names = [name for name, field in case.fields.items() if isinstance(field, (FileField, Picture))]
    if files and names and not set(files) & set(names):
        return f"收到的文件字段名是 {_listed(files)}:这个接口的是 {_listed(names)}"
    if not case.is_decided_by_parameters:
        return None
    if case.endpoint.path == "/users/uploadAvatar" and not case.sent.keys() & {"uId", "unid"}:
        return "缺少 uId:登入返回的 userInfo.unid"
    names = [name for name, field in case.fields.items() if isinstance(field, FileField)]
    return f"请求里没有文件:用 FormData 上传,文件的字段名是 {_listed(names)}" if names and not files else None


def _of_names(case: Case) -> str | None:
    names = [name for name in case.fields if name in case.needed and name not in case.sent]
    if names and case.is_decided_by_parameters:
        others = [name for name in case.sent if name not in case.fields and name != "token"]
        return f"缺少参数 {_listed(names)}" + (f";收到的是 {_listed(others)}" if others else "")
    if "total" in case.body and "page" in case.sent and "count" not in case.sent and "count" in case.fields:
        return "只传了 page:没有 count 时 page 不起作用,给出的是全部数据"
    return None


def _listed(names: list[str]) -> str:
    return "、".join(names[:10])[:80]
