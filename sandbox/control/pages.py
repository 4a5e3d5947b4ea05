"""The control page: what the stand-ins have in their books, and the fault dial."""

from urllib.parse import urlsplit

import segno
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from sandbox.faults import DEFAULT_SECONDS, MAX_VALUE, FaultKind, faults_on, faults_set
from sandbox.models import Delivery, PayCode, Refund, Trade, TradeState
from sandbox.pay.deliveries import delivery_requeue
from sandbox.pay.pages import twin_url

ROWS = 20
CODES = 6


@never_cache
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    context = {
        "codes": [(code, twin_url(code), _qr(twin_url(code))) for code in _open_codes()],
        "trades": Trade.objects.all()[:ROWS],
        "refunds": Refund.objects.select_related("trade")[:ROWS],
        "deliveries": Delivery.objects.select_related("trade")[:ROWS],
        "faults": _dial(),
        "longest_s": int(MAX_VALUE),
        "is_local": urlsplit(settings.PUBLIC_BASE_URL).hostname in {"127.0.0.1", "localhost", "::1"},
    }
    return render(request, "sandbox/index.html", context)


def _qr(text: str) -> str:
    return segno.make_qr(text).svg_data_uri(omitsize=True, light="#fff")


def _open_codes() -> list[PayCode]:
    """The newest code of each of the newest orders that wait for money."""
    now = timezone.now()
    codes = PayCode.objects.filter(trade__state=TradeState.NOTPAY, expires_at__gt=now, trade__expires_at__gt=now)
    newest = codes.order_by("trade_id", "-pk").distinct("trade_id").values("pk")
    return list(PayCode.objects.filter(pk__in=newest).select_related("trade").order_by("-pk")[:CODES])


def _dial() -> list[dict[str, object]]:
    on = faults_on()
    return [
        {
            "kind": kind,
            "is_on": kind in on,
            "seconds": on.get(kind, DEFAULT_SECONDS.get(kind)),
            "timed": kind in DEFAULT_SECONDS,
        }
        for kind in FaultKind
    ]


@require_POST
def faults(request: HttpRequest) -> HttpResponse:
    """Set the whole dial as the form shows it; a value that is no number counts as the usual one."""
    changes: dict[str, object] = {}
    if "reset" not in request.POST:
        for kind in FaultKind:
            if kind in request.POST.getlist("on"):
                changes[kind] = _seconds(request.POST.get(f"seconds-{kind}", "")) or True
    faults_set(changes=changes, reset=True)
    return redirect("sandbox:index")


def _seconds(raw: str) -> float:
    try:
        seconds = float(raw)
    except ValueError:
        return 0.0
    return seconds if 0 <= seconds <= MAX_VALUE else 0.0


@require_POST
def delivery_send_now(request: HttpRequest, pk: int) -> HttpResponse:
    delivery_requeue(delivery_id=pk, now=timezone.now())
    return redirect("sandbox:index")
