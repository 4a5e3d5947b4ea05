"""The control page: the sandbox's orders, refunds and notifications, and the form for faults."""

from urllib.parse import urlsplit

import segno
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from core.api.addresses import absolute_url
from sandbox.callers import Caller, caller_of
from sandbox.faults import changes_of, fault_form, faults_on, faults_set
from sandbox.models import Delivery, PayCode, Refund, Trade, TradeState
from sandbox.pay.pages import twin_url
from sandbox.switches import ANSWERS, MAX_DELAY_MS

ROWS, CODES = 20, 6


@never_cache
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    caller = caller_of(request)
    own = caller.orders("trade__")
    context = {
        "codes": [
            (code, url := twin_url(code), segno.make_qr(url).svg_data_uri(omitsize=True, light="#fff"))
            for code in codes_open(caller)[:CODES]
        ],
        "trades": Trade.objects.filter(caller.orders())[:ROWS],
        "refunds": Refund.objects.filter(own).select_related("trade")[:ROWS],
        "deliveries": Delivery.objects.filter(own).select_related("trade")[:ROWS],
        **fault_form(faults_on()),
        "is_local": urlsplit(absolute_url(request, "")).hostname in {"127.0.0.1", "localhost", "::1"},
        "caller": caller,
    }
    return render(request, "sandbox/index.html", context)


@never_cache
@require_safe
def calls(request: HttpRequest) -> HttpResponse:
    """Show the form of the user's own switch (``static/sandbox/calls.js`` sends it)."""
    return render(request, "sandbox/calls.html", {"answers": ANSWERS, "max_ms": MAX_DELAY_MS})


def codes_open(caller: Caller) -> QuerySet[PayCode]:
    """Return the newest code of each of the caller's orders that wait for payment, newest first."""
    now = timezone.now()
    codes = PayCode.objects.filter(trade__state=TradeState.NOTPAY, expires_at__gt=now, trade__expires_at__gt=now)
    newest = codes.filter(caller.orders("trade__")).order_by("trade_id", "-pk").distinct("trade_id").values("pk")
    return PayCode.objects.filter(pk__in=newest).select_related("trade").order_by("-pk")


@require_POST
def faults(request: HttpRequest) -> HttpResponse:
    """Set all faults as the form shows them."""
    if not caller_of(request).sees_all:
        raise PermissionDenied
    faults_set(changes=changes_of(request.POST), reset=True)
    return redirect("sandbox:index")
