"""The pages for developers (start page, API reference, refusals and limits, guides, demo shop) and the books."""

import re
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from io import BytesIO
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import segno
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.utils.cache import patch_vary_headers
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language_from_request

from accounts.captcha import LIFETIME_S as CAPTCHA_LIFETIME_S
from accounts.demo_users import DEMO_USERS, DemoUser
from accounts.services import login, phones, sms_codes
from accounts.services.scan_login import LOGINS_A_MINUTE
from config import postman, typescript
from core import errors
from core.api import bodies, once, schema
from core.api.request import absolute_url
from core.api.routing import endpoints
from core.audit import MAX_ENTRIES
from core.errors import DomainError
from core.times import span
from operations import health
from payments.services.start import MIN_LIFE
from payments.wechat_codes import WECHAT_CODES
from shop.api.orders import QUERIES_A_MINUTE
from shop.services import order_create
from uploads import fields, limits
from uploads.services import ORPHAN_AFTER
from weather.services import QUERY_WINDOW_S

MAX_QR_BYTES = 1000
_TYPES, _PLAIN_TEXT = "types.d.ts", "text/plain; charset=utf-8"
Rows = list[tuple[DomainError, list[str]]]  # refusals, each with the paths of the calls that answer it
_LOCAL = "http://127.0.0.1:8000"  # where the example clients look for the server


def switches(request: HttpRequest) -> dict[str, bool]:
    """Context processor: tell templates whether the sandbox is on, so that navigation links to its pages."""
    return {"sandbox": settings.SANDBOX}


def home(request: HttpRequest) -> HttpResponse:
    context = {
        "failures": list(health.failures()),
        "accounts": DEMO_USERS if settings.DEMO_DATA else (),
        "base": absolute_url(request, ""),
        "is_english": not get_language_from_request(request).startswith("zh"),
    }
    response = render(request, "front/home.html", context)
    patch_vary_headers(response, ["Accept-Language"])
    return response


def reference(request: HttpRequest) -> HttpResponse:
    """Show the API reference, which the page draws from ``/schema/``."""
    return render(request, "front/reference.html")


def codes(request: HttpRequest) -> HttpResponse:
    context = {"groups": _refusals(), "wechat": WECHAT_CODES.values()}
    return render(request, "front/codes.html", context | _limits())


@cache
def _refusals() -> dict[str, Rows]:
    """Return, by title, first the refusals of every call, then those of each module's own calls."""
    access = (errors.LoginRequired(), errors.TokenInvalid(), errors.NotPermitted())
    transport = (
        *(errors.BadParameter(), errors.Unreadable(), errors.UnknownAddress(), errors.WrongMethod()),
        *(errors.BodyTooLarge(), errors.UnsupportedFormat(), errors.Throttled(1), errors.InternalError("")),
        *(errors.UpstreamDown(), errors.ServiceUnavailable(), errors.KeyInvalid(), errors.KeyReused()),
    )
    of_every_call: dict[str, Rows] = {
        "身份与权限(HTTP 200,看 body.code)": [(error, []) for error in access],
        "传输与参数(每个接口都可能遇到)": [(error, []) for error in transport],
    }
    return of_every_call | _by_tag()


def _by_tag() -> dict[str, Rows]:
    tags: dict[str, dict[tuple[int, str], tuple[DomainError, list[str]]]] = {}
    for call in endpoints():
        for error in call.docs.refusals if call.docs else ():
            _, paths = tags.setdefault(call.tag, {}).setdefault((error.status, error.msg), (error, []))
            paths.append(re.sub(r"<\w+:(\w+)>", r":\1", call.path))
    return {tag: list(rows.values()) for tag, rows in tags.items()}


def _limits() -> dict[str, Any]:
    """Return what ``templates/front/limits.html`` takes its figures from: each stands where it is enforced."""
    spans = {
        "token": settings.JWT_LIFETIME,
        "order": settings.ORDER_TTL,
        "order_latest": settings.ORDER_TTL + MIN_LIFE,
        "order_pause": order_create.PAUSE,
        "kept_answer": once.KEPT_FOR,
        "captcha": timedelta(seconds=CAPTCHA_LIFETIME_S),
        "sms": sms_codes.LIFETIME,
        "wechat_qr": settings.WECHAT_QR_TTL,
        "unused_picture": ORPHAN_AFTER,
        "weather": timedelta(seconds=QUERY_WINDOW_S),
    }
    return {
        "settings": settings,
        "spans": {name: span(length) for name, length in spans.items()},
        "body": {"kb": bodies.BODY_LIMIT // bodies.KIB, "values": bodies.MAX_VALUES},
        "form_mb": bodies.FILE_LIMIT // bodies.MIB,
        "order": order_create,
        "cancelled": settings.ORDERS_EXPIRED_MAX // order_create.FREE + 1,
        "keys_a_day": once.KEYS_A_DAY,
        "sms": sms_codes,
        "sms_number": {name: limit for name, limit, _ in sms_codes.PER_NUMBER},
        "sms_address": {name: limit for name, limit, _ in sms_codes.PER_ADDRESS},
        "phones": phones,
        "login": login,
        "wechat_logins": LOGINS_A_MINUTE,
        "uploads": fields,
        "upload_s": fields.MAX_PROCESSOR_MS_PER_MINUTE // 1000,
        "picture": {"mb": limits.MAX_BYTES // bodies.MIB, "pixels": limits.MAX_PIXELS // 10_000},
        "changes": {name: limit for name, (limit, _) in MAX_ENTRIES.items()},
        "order_queries": QUERIES_A_MINUTE,
    }


def guide(request: HttpRequest, name: str) -> HttpResponse:
    """Show how to write a client, or one with a socket."""
    base = absolute_url(request, "")
    context = {"base": base, "ws_base": base.replace("http", "ws", 1), "account": _account(), "code": _course_code()}
    spans = {"qr_ttl": span(settings.WECHAT_QR_TTL), "lifetime": span(settings.JWT_LIFETIME)}
    return render(request, f"front/{name}.html", context | spans)


def types_file(request: HttpRequest) -> HttpResponse:
    return HttpResponse(typescript.types_file(schema.document(absolute_url(request, ""))), content_type=_PLAIN_TEXT)


def collection_file(request: HttpRequest) -> HttpResponse:
    """Send the Postman collection, with the address by which the reader came."""
    base = absolute_url(request, "")
    username, password, *_ = _account() or ("", "")
    variables = {"baseUrl": base, "username": username, "password": password}
    content = postman.collection(schema.document(base), variables=variables, has_sandbox=settings.SANDBOX)
    return JsonResponse(content, json_dumps_params={"ensure_ascii": False, "indent": 1})


def example_client(request: HttpRequest, name: str) -> HttpResponse:
    """Send the source of an example client as a zip, with the types it imports and the address of this server."""
    folder, packed, base = settings.BASE_DIR / "examples" / name, BytesIO(), absolute_url(request, "")
    with ZipFile(packed, "w", ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file() and "node_modules" not in file.parts and file.name != _TYPES:
                archive.writestr(f"{name}/{file.relative_to(folder)}", file.read_text("utf-8").replace(_LOCAL, base))
        archive.writestr(f"{name}/src/{_TYPES}", types_file(request).content)
    return HttpResponse(packed.getvalue(), content_type="application/zip")


def demo(request: HttpRequest, page: str = "index") -> HttpResponse:
    facts = {"qr_ttl_s": int(settings.WECHAT_QR_TTL.total_seconds()), "order_ttl": span(settings.ORDER_TTL)}
    return render(request, f"demo/{page}.html", facts | _limits())


def demo_qr(request: HttpRequest) -> HttpResponse:
    """Draw ``?text=`` as a QR code."""
    text = request.GET.get("text", "")
    if not text or len(text.encode()) > MAX_QR_BYTES:
        raise Http404
    drawing = BytesIO()
    segno.make_qr(text).save(drawing, kind="svg", omitsize=True, light="#fff", border=2)
    return HttpResponse(drawing.getvalue(), content_type="image/svg+xml")


# --- Books in Chinese, a page for each file: the staff handbook (``docs/staff``), the course (``docs/course``) ---
@dataclass(frozen=True)
class Chapter:
    name: str  # such as "ship"; the files begin with a number for their order
    title: str
    picture: str  # the address of the first of its pictures, "" without one
    lead: str  # the paragraph below the first heading
    html: SafeString


@cache
def chapters(book: str) -> dict[str, Chapter]:
    """Return the chapters in order."""
    from markdown_it import MarkdownIt  # here, because few processes ever show a book

    markdown, by_name = MarkdownIt("commonmark", {"highlight": _code}).enable("table"), {}
    for path in sorted((settings.BASE_DIR / "docs" / book).glob("[0-9]*.md")):
        text = re.sub(r"\(images/(.*?)\)", lambda match: f"({static(f'handbook/{match[1]}')})", path.read_text("utf-8"))
        title, _, lead, *_ = text.split("\n\n")
        html = markdown.render(text).replace("<img ", '<img loading="lazy" ')
        picture = re.search(r'src="(.*?)"', html)
        name = path.stem.partition("-")[2]
        address = picture[1] if picture else ""
        by_name[name] = Chapter(name, title.removeprefix("# "), address, lead, mark_safe(html))  # noqa: S308  (our own files)
    return by_name


def _code(text: str, language: str, file: str) -> str:
    """Show a block of code under the name of its file, which stands behind the language."""
    return f'<pre data-file="{file}"><code class="language-{language}">{escape(text)}</code></pre>'


def book_page(request: HttpRequest, book: str, name: str = "") -> HttpResponse:
    """Show a chapter, or the contents."""
    if name and name not in chapters(book):
        raise Http404
    context = {"chapters": chapters(book).values(), "chapter": chapters(book).get(name)}
    return render(request, f"front/{book}.html", context | {"base": absolute_url(request, ""), "account": _account()})


def _account() -> DemoUser | None:
    """Return the account with which a reader of this server's pages can log in, if everybody may know one."""
    return DEMO_USERS[0] if settings.DEMO_DATA else None


@cache
def _course_code() -> dict[str, SafeString]:
    """Return the course's blocks of code by the names of their files, as templates write them: ``chart_js``."""
    blocks = {}
    for chapter in chapters("course").values():
        for block, file in re.findall(r'(?s)(<pre data-file="src/(\S+)">.*?</pre>)', chapter.html):
            blocks[file.replace(".", "_")] = mark_safe(block)  # noqa: S308  (our own files)
    return blocks
