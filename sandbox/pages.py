"""The control page, and the page on which a phone pays. Only faults and switches need JavaScript."""

from urllib.parse import urlsplit

import segno
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from core.api.request import absolute_url
from sandbox.callers import Caller, caller_of
from sandbox.faults import fault_form
from sandbox.models import CODE_TTL, Delivery, Refund, Trade, TradeState
from sandbox.pay.errors import Reason, Refused
from sandbox.pay.trades import pay_refusal, trade_pay, trade_scanned
from sandbox.switches import ANSWERS, MAX_DELAY_MS

ROWS, CODES = 20, 6


def trades_waiting(caller: Caller) -> QuerySet[Trade]:
    """Return the caller's orders that can be paid, newest first."""
    now = timezone.now()
    waiting = {"state": TradeState.NOTPAY, "expires_at__gt": now, "placed_at__gt": now - CODE_TTL}
    return Trade.objects.filter(caller.orders(), **waiting)


@never_cache
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    caller = caller_of(request)
    own = caller.orders("trade__")
    waiting = trades_waiting(caller)[:CODES]
    context = {
        "waiting": [
            (trade, segno.make_qr(trade.pay_page).svg_data_uri(omitsize=True, light="#fff")) for trade in waiting
        ],
        "trades": Trade.objects.filter(caller.orders())[:ROWS],
        "refunds": Refund.objects.filter(own).select_related("trade")[:ROWS],
        "deliveries": Delivery.objects.filter(own).select_related("trade")[:ROWS],
        **fault_form(),
        "is_local": urlsplit(absolute_url(request, "")).hostname in {"127.0.0.1", "localhost", "::1"},
        "caller": caller,
    }
    return render(request, "sandbox/index.html", context)


@never_cache
@require_safe
def calls(request: HttpRequest) -> HttpResponse:
    """Show the form of the user's own switch (``static/sandbox/calls.js`` sends it)."""
    return render(request, "sandbox/calls.html", {"answers": ANSWERS, "max_ms": MAX_DELAY_MS})


@require_safe
def find(request: HttpRequest) -> HttpResponse:
    """Redirect from ``?code_url=`` or ``?prepay_id=`` to the page that pays the order."""
    trade = trade_scanned(**{name: request.GET.get(name, "") for name in ("code_url", "prepay_id")})
    return redirect("sandbox:pay", token=trade.token) if trade else _unknown_code_page(request)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def pay(request: HttpRequest, token: str) -> HttpResponse:
    """Show the code's order; 支付 pays it, 取消 changes nothing."""
    trade, caller = trade_scanned(code_url=token), caller_of(request)
    if trade is None:
        return _unknown_code_page(request)
    if request.method == "POST" and request.POST.get("action") != "pay":
        return redirect(request.path + "?cancelled")
    if request.method == "POST":
        try:
            trade_pay(trade, payer=caller.pays_as(trade), now=timezone.now())
        except Refused:
            pass  # the page that follows shows the reason
        return redirect("sandbox:pay", token=token)
    reason = pay_refusal(trade, now=timezone.now())
    context = {
        "trade": trade,
        "refusal": reason.text if reason and reason is not Reason.ORDER_PAID else "",
        "is_buyer": caller.is_buyer(trade),
        "payer": caller.user,
        "is_cancelled": "cancelled" in request.GET,
        **fault_form(trade),
    }
    return render(request, "sandbox/pay.html", context)


def _unknown_code_page(request: HttpRequest) -> HttpResponse:
    return render(request, "sandbox/pay.html", {"refusal": "无法识别的支付码"}, status=404)
