"""What Django calls for a request that no view answers.

They are envelopes; for people in the back office ``core.admin.error_pages`` turns them into pages.
"""

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
    head, _, rest = request.path_info.lstrip("/").partition("/")
    if settings.HINTS and call_find(f"/{rest}"):  # development servers forward /api/… to us
        return error_response(UnknownAddress(hint=f"地址多了前缀 /{head}:在开发服务器的代理里用 rewrite 去掉它"))
    return error_response(UnknownAddress())


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if isinstance(exception, (RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent)):
        return error_response(BodyTooLarge())
    return error_response(DomainError("请求格式错误", status=400, http_status=400))


def server_error(request: HttpRequest, *_: Any) -> HttpResponse:
    # Django calls this inside its `except` block, so the exception is still the current one.
    if engine_is_down(sys.exception()):
        return error_response(ServiceUnavailable())
    return error_response(InternalError(tracing.current()))
