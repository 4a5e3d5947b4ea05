"""The pages for developers: start page, API reference, guides, and the demo shop; and the handbook of the staff."""

import re
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile

import segno
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.utils.cache import patch_vary_headers
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language_from_request

from accounts.demo_users import DEMO_USERS
from config import codes as code_tables
from config import collection, typescript
from core.api import schema
from core.api.request import absolute_url
from core.times import span
from operations import health
from payments.wechat_codes import WECHAT_CODES

MAX_QR_BYTES = 1000
_TYPES, _PLAIN_TEXT = "types.d.ts", "text/plain; charset=utf-8"


def switches(request: HttpRequest) -> dict[str, bool]:
    """Context processor: tell templates whether the sandbox is on, so that navigation links to its pages."""
    return {"sandbox": settings.SANDBOX}


# Address, then title and text in Chinese and in English; the last three exist with the sandbox only.
CARDS = [
    ("/docs/", "接口文档", "每个接口的参数与示例，可以直接试用。", "API reference", "Try each call in the page."),
    ("/docs/codes/", "状态码大全", "每个 status / code 的含义，以及该怎么办。", "Codes", "What every code means."),
    ("/docs/client/", "开始写客户端", "axios 与开发代理（Vue CLI、Vite、CRA）、types.d.ts、Postman / Apifox 集合。",
     "Write a client", "axios, development proxies, TypeScript types, a Postman collection."),
    ("/docs/socket/", "微信扫码登入", "socket.io 2.x、4.x 与普通 WebSocket 的可运行示例。",
     "Scan login", "Snippets for socket.io 2.x, 4.x and plain WebSocket."),
    ("/admin/", "管理后台", "学员、权限、商城、订单、退款、天气。",
     "Back office", "Trainees, rights, shop, orders, refunds, weather."),
    ("/docs/staff/", "员工手册", "后台怎么用，一项工作一页。",
     "Staff handbook", "How the back office is used, in Chinese."),
    ("/demo/", "演示页面", "登入、菜单、学员、购物车、下单、支付，每一步都显示请求和返回值。",
     "Demo", "The whole journey on one page."),
    ("/demo/login/", "扫码登入演示", "用另一个标签页或同一网络的手机扮演微信。",
     "Scan login demo", "With a pretend phone."),
    ("/sandbox/", "沙箱", "内置的微信支付、微信授权和天气服务替身，可以模拟各种故障。",
     "Sandbox", "Built-in stand-ins for the upstreams."),
]  # fmt: skip


def home(request: HttpRequest) -> HttpResponse:
    is_english = not get_language_from_request(request).startswith("zh")
    cards = CARDS if settings.SANDBOX else CARDS[:-3]
    context = {
        "failures": list(health.failures()),
        "accounts": DEMO_USERS if settings.DEMO_DATA else (),
        "base": absolute_url(request, ""),
        "is_english": is_english,
        "cards": [(card[0], *(card[3:] if is_english else card[1:3])) for card in cards],
    }
    response = render(request, "front/home.html", context)
    patch_vary_headers(response, ["Accept-Language"])
    return response


def reference(request: HttpRequest) -> HttpResponse:
    """Show the API reference, which the page draws from ``/schema/``."""
    return render(request, "front/reference.html")


def codes(request: HttpRequest) -> HttpResponse:
    context = {"groups": code_tables.groups(), "wechat": WECHAT_CODES.values(), "limits": code_tables.limits()}
    return render(request, "front/codes.html", context)


def socket_guide(request: HttpRequest) -> HttpResponse:
    base = absolute_url(request, "")
    context = {"base": base, "ws_base": base.replace("http", "ws", 1), "qr_ttl": span(settings.WECHAT_QR_TTL)}
    return render(request, "front/socket.html", context)


def client_guide(request: HttpRequest) -> HttpResponse:
    base = absolute_url(request, "")
    context = {"base": base, "ws_base": base.replace("http", "ws", 1), "lifetime": span(settings.JWT_LIFETIME)}
    return render(request, "front/client.html", context)


def types_file(request: HttpRequest) -> HttpResponse:
    return HttpResponse(typescript.types_file(schema.document(absolute_url(request, ""))), content_type=_PLAIN_TEXT)


def collection_file(request: HttpRequest) -> HttpResponse:
    """Send the Postman collection, with the address by which the reader came."""
    base = absolute_url(request, "")
    username, password = DEMO_USERS[0][:2] if settings.DEMO_DATA else ("", "")
    variables = {"baseUrl": base, "username": username, "password": password}
    content = collection.collection(schema.document(base), variables=variables, has_sandbox=settings.SANDBOX)
    return JsonResponse(content, json_dumps_params={"ensure_ascii": False, "indent": 1})


def example_client(request: HttpRequest, name: str) -> HttpResponse:
    """Send the source of an example client as a zip, with the types it imports."""
    folder, packed = settings.BASE_DIR / "examples" / name, BytesIO()
    with ZipFile(packed, "w", ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file() and "node_modules" not in file.parts and file.name != _TYPES:
                archive.write(file, f"{name}/{file.relative_to(folder)}")
        archive.writestr(f"{name}/src/{_TYPES}", types_file(request).content)
    return HttpResponse(packed.getvalue(), content_type="application/zip")


def demo(request: HttpRequest) -> HttpResponse:
    context = {"qr_ttl_s": _qr_ttl_s(), "order_ttl": span(settings.ORDER_TTL), "limits": code_tables.limits()}
    return render(request, "demo/index.html", context)


def demo_login(request: HttpRequest) -> HttpResponse:
    return render(request, "demo/login.html", {"qr_ttl_s": _qr_ttl_s()})


def _qr_ttl_s() -> int:
    return int(settings.WECHAT_QR_TTL.total_seconds())


def demo_qr(request: HttpRequest) -> HttpResponse:
    """Draw ``?text=`` as a QR code."""
    text = request.GET.get("text", "")
    if not text or len(text.encode()) > MAX_QR_BYTES:
        raise Http404
    drawing = BytesIO()
    segno.make_qr(text).save(drawing, kind="svg", omitsize=True, light="#fff", border=2)
    return HttpResponse(drawing.getvalue(), content_type="image/svg+xml")


# --- The staff handbook: ``docs/staff``, a page for each job, in Chinese ---
@dataclass(frozen=True)
class Chapter:
    name: str  # such as "ship"; the files begin with a number for their order
    title: str
    picture: str  # the address of the first of its pictures, "" without one
    html: SafeString


@cache
def chapters() -> dict[str, Chapter]:
    """Return the chapters in order."""
    from markdown_it import MarkdownIt  # here, because few processes ever show the handbook

    by_name = {}
    for path in sorted((settings.BASE_DIR / "docs/staff").glob("[0-9]*.md")):
        text = re.sub(r"\(images/(.*?)\)", lambda match: f"({static(f'handbook/{match[1]}')})", path.read_text("utf-8"))
        title = text.partition("\n")[0].removeprefix("# ")
        html = MarkdownIt().render(text).replace("<img ", '<img loading="lazy" ')
        picture = re.search(r'src="(.*?)"', html)
        name = path.stem.partition("-")[2]
        by_name[name] = Chapter(name, title, picture[1] if picture else "", mark_safe(html))  # noqa: S308  (our own files)
    return by_name


def handbook(request: HttpRequest, name: str = "") -> HttpResponse:
    """Show a chapter, or the contents."""
    if name and name not in chapters():
        raise Http404
    context = {"chapters": chapters().values(), "chapter": chapters().get(name)}
    return render(request, "front/handbook.html", context)
