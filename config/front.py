"""The pages for developers: start page, API reference, guides, and the demo shop."""

from io import BytesIO

import segno
from django.conf import settings
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.demo_users import DEMO_USERS
from config import refusals
from config.limits import limits
from core.ops import health
from core.times import span
from payments.wechat_codes import WECHAT_CODES

MAX_QR_BYTES = 1000
API_FILES = {"types.d.ts": "text/plain; charset=utf-8", "collection.json": "application/json"}


def switches(request: HttpRequest) -> dict[str, bool]:
    """Context processor: tell templates whether the sandbox is on, so that navigation links to its pages."""
    return {"sandbox": settings.SANDBOX}


def home(request: HttpRequest) -> HttpResponse:
    context = {
        "failures": list(health.failures()),
        "accounts": _demo_accounts() if settings.DEMO_DATA else [],
        "base": settings.PUBLIC_BASE_URL,
    }
    return render(request, "front/home.html", context)


def reference(request: HttpRequest) -> HttpResponse:
    """Show the API reference, which the page draws from ``/schema/``."""
    return render(request, "front/reference.html")


def codes(request: HttpRequest) -> HttpResponse:
    return render(
        request, "front/codes.html", {"groups": refusals.groups(), "wechat": WECHAT_CODES.values(), "limits": limits()}
    )


def socket_guide(request: HttpRequest) -> HttpResponse:
    base = settings.PUBLIC_BASE_URL
    context = {"base": base, "ws_base": base.replace("http", "ws", 1), "qr_ttl": span(settings.WECHAT_QR_TTL)}
    return render(request, "front/socket.html", context)


def client_guide(request: HttpRequest) -> HttpResponse:
    return render(request, "front/client.html", {"base": settings.PUBLIC_BASE_URL})


def api_file(request: HttpRequest, name: str) -> FileResponse:
    """Send a file that docs/api/make.mjs makes from the OpenAPI description."""
    return FileResponse((settings.BASE_DIR / "docs/api" / name).open("rb"), content_type=API_FILES[name])


def demo(request: HttpRequest) -> HttpResponse:
    context = {
        "qr_ttl_s": int(settings.WECHAT_QR_TTL.total_seconds()),
        "order_ttl": span(settings.ORDER_TTL),
        "limits": limits(),
    }
    return render(request, "demo/index.html", context)


def demo_login(request: HttpRequest) -> HttpResponse:
    return render(request, "demo/login.html", {"qr_ttl_s": int(settings.WECHAT_QR_TTL.total_seconds())})


def demo_qr(request: HttpRequest) -> HttpResponse:
    """Draw ``?text=`` as a QR code."""
    text = request.GET.get("text", "")
    if not text or len(text.encode()) > MAX_QR_BYTES:
        raise Http404
    drawing = BytesIO()
    segno.make_qr(text).save(drawing, kind="svg", omitsize=True, light="#fff", border=2)
    return HttpResponse(drawing.getvalue(), content_type="image/svg+xml")


def _demo_accounts() -> list[dict[str, str]]:
    return [{"username": user.username, "password": user.password, "role": user.role} for user in DEMO_USERS]
