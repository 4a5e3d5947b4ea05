"""What stands around pages: a policy of what they may load, pages in place of JSON refusals, and compression."""

from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.shortcuts import render

from core.api.envelope import Envelope, error_response
from core.errors import DomainError
from core.observe import tracing

# Content security policy: what our pages may load and run, so that a browser refuses an injected script.
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self' 'unsafe-inline'",  # unfold's theme, and style="" in pages
    "img-src": "'self' data: http: https:",  # a student's photo may be any picture on the web
    "font-src": "'self'",
    "connect-src": "'self'",
    # The sandbox's WeChat sends people back to PUBLIC_BASE_URL, while a developer may have opened "localhost".
    "form-action": "'self' {public}",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
# Unfold's pages use Alpine, which compiles expressions in attributes into functions: that needs unsafe-eval.
BACK_OFFICE = POLICY | {"script-src": "'self' 'unsafe-eval'"}
ROOT = "/admin/"
CONFLICT = 409  # for a business refusal that no page has caught: HTTP 200 would look like success
# By HTTP status: what has happened, and what to do now. The page shows the envelope's ``msg`` between them.
TEXTS: dict[int, tuple[str, str]] = {
    400: ("请求无法处理", "浏览器发来的内容不完整或有误，什么都没有保存。"),
    403: ("没有权限", "你的角色不能打开这一页，或不能做这一步。需要的话请联系管理员。"),
    404: ("没有这一页", "地址可能写错了，或者记录已经被删除。"),
    405: ("不能这样打开", "这个地址只能由页面上的按钮打开。"),
    409: ("没有完成", "什么都没有保存。"),
    413: ("内容太大", "一次发送的内容超过了上限，什么都没有保存。请减少选中的记录，或换一个小一些的文件。"),
    429: ("操作太频繁", "请稍等片刻再试。"),
    500: ("系统出错了", "这一步没有保存。请稍后再试；仍然出错时，把下面的编号告诉管理员。"),
    503: ("系统暂时不可用", "这一步没有保存。请稍后再试。"),
}


class PagePolicyMiddleware:
    """Send a content security policy with every page. Remove this with Django 6, which has such a middleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        public = urlsplit(settings.PUBLIC_BASE_URL)
        self.pages, self.back_office = (
            "; ".join(f"{name} {sources}" for name, sources in policy.items()).format(
                public=f"{public.scheme}://{public.netloc}"
            )
            for policy in (POLICY, BACK_OFFICE)
        )

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.get("Content-Type", "").startswith("text/html"):
            policy = self.back_office if is_back_office(request) else self.pages
            response.headers.setdefault("Content-Security-Policy", policy)
        return response


class BackOfficePagesMiddleware:
    """Replace a JSON refusal by a page with a link back, whoever made it: a view, Django, or an inner middleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        is_page = response.streaming or (response.get("Content-Type", "").startswith("text/html") and response.content)
        if response.status_code >= 400 and is_for_person(request) and not is_page:
            _turn_into_page(request, response)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, DomainError) or not is_back_office(request):
            return None
        exception.http_status = max(exception.http_status, CONFLICT if exception.http_status < 400 else 0)
        return error_response(exception)


def is_back_office(request: HttpRequest) -> bool:
    return (request.path_info.lower() + "/").startswith(ROOT)


def is_for_person(request: HttpRequest) -> bool:
    """Tell whether a person will see the response. The pages' own scripts ask for JSON."""
    accept = request.headers.get("Accept", "")
    return is_back_office(request) and ("text/html" in accept or "json" not in accept)


def _turn_into_page(request: HttpRequest, response: HttpResponse) -> None:
    status = response.status_code
    is_our_fault = status >= 500
    other = (500 if status < 502 else 503) if is_our_fault else 400  # for a status that has no text
    title, text = TEXTS.get(status, TEXTS[other])
    context = {"title": title, "text": text, "wait_s": response.get("Retry-After", "")}
    if isinstance(response, Envelope) and status not in {400, 404, 500}:  # there it would say no more than the title
        context["reason"] = response.data["msg"]
    if is_our_fault:
        context["number"] = tracing.current()
    # Change the response in place: cookies and the headers of inner middleware stay.
    response.content = render(request, "refused.html", context).content
    response["Content-Type"] = "text/html; charset=utf-8"
    response["Content-Length"] = str(len(response.content))


class BackOfficeGZipMiddleware(GZipMiddleware):
    """Compress the pages: a long list has 360 KB, and 20 KB compressed. Calls are small.

    In development also the static files; a deployed server has compressed them once, and they pass as they are.
    Django adds a random number of bytes to each answer and masks the CSRF token anew, so that the length of a page
    tells an attacker nothing about what is in it (BREACH).
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        is_static = request.path_info.startswith(settings.STATIC_URL)
        is_text = is_static and response.get("Content-Type", "").startswith(("text/", "image/svg"))
        return super().process_response(request, response) if is_text or is_back_office(request) else response
