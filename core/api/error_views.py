"""What Django calls for a request that no view answers.

They are envelopes; for people in the back office ``core.admin.error_pages`` turns them into pages.
"""

import re
import sys
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.http import HttpRequest, HttpResponse

from core.api.envelope import error_response
from core.api.handler import engine_is_down
from core.api.routing import call_find
from core.errors import BodyTooLarge, DomainError, InternalError, ServiceUnavailable, UnknownAddress
from core.observe import tracing


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    hint = settings.HINTS and _path_hint(request.path_info)
    return error_response(UnknownAddress(hint=hint) if hint else UnknownAddress())


def _path_hint(path: str) -> str:
    """Return what a beginner has probably done wrong in the path of a call, "" if nothing is known."""
    if "//" in path and call_find(re.sub("/+", "/", path)):
        return "地址里连着两个斜杠:baseURL 末尾的 / 和路径开头的 / 只留一个"
    head, _, rest = path.lstrip("/").partition("/")
    # Development servers forward /api/… to us.
    return f"地址多了前缀 /{head}:在开发服务器的代理里用 rewrite 去掉它" if call_find(f"/{rest}") else ""


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if isinstance(exception, (RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent)):
        return error_response(BodyTooLarge())
    return error_response(DomainError("请求格式错误", status=400, http_status=400))


def server_error(request: HttpRequest, *_: Any) -> HttpResponse:
    # Django calls this inside its `except` block, so the exception is still the current one.
    if engine_is_down(sys.exception()):
        return error_response(ServiceUnavailable())
    return error_response(InternalError(tracing.current()))
