"""The phone page: what a payer sees after scanning. It works without JavaScript."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import User
from core.api.addresses import full_url
from core.ids import storable
from sandbox.callers import Caller, caller_of
from sandbox.faults import ORDER_KINDS, changes_of, fault_form, order_faults_set
from sandbox.models import FaultKind, PayCode, Trade
from sandbox.pay.describe import trade_appid
from sandbox.pay.errors import Reason, Refused
from sandbox.pay.trades import pay_refusal, trade_pay
from sandbox.wechat import person_of


def twin_url(code: PayCode) -> str:
    """Return the address of the page that stands for scanning ``code.code_url``."""
    return full_url(reverse("sandbox:pay", args=[code.token]))


def code_find(*, code_url: str = "", prepay_id: str = "", out_trade_no: str = "") -> PayCode | None:
    """Find a code by the text of its QR code or by its prepay_id, or the newest code of an order."""
    codes = PayCode.objects.select_related("trade")
    if code_url:
        return codes.filter(token=storable(code_url.rpartition("?pr=")[2])).first()
    if prepay_id:
        return codes.filter(prepay_id=storable(prepay_id)).first()
    return codes.filter(trade__out_trade_no=storable(out_trade_no)).order_by("pk").last()


@require_safe
def find(request: HttpRequest) -> HttpResponse:
    """Redirect from ``?code_url=`` or ``?prepay_id=`` to the code's page."""
    code = code_find(code_url=request.GET.get("code_url", ""), prepay_id=request.GET.get("prepay_id", ""))
    if code is None:
        return _unknown_code_page(request)
    return redirect("sandbox:pay", token=code.token)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def pay(request: HttpRequest, token: str) -> HttpResponse:
    """Show the code's order; 支付 pays it, 取消 changes nothing."""
    code = code_find(code_url=f"?pr={token}")
    if code is None:
        return _unknown_code_page(request)
    caller = caller_of(request)
    if request.method != "POST":
        context = _context(code, caller) | {"is_cancelled": "cancelled" in request.GET}
        return render(request, "sandbox/pay.html", context)
    if request.POST.get("action") != "pay":
        return redirect(request.path + "?cancelled")
    try:
        trade_pay(code=code, payer=payer_openid(caller.user, code.trade), now=timezone.now())
    except Refused:
        pass  # the page that follows shows the reason
    return redirect("sandbox:pay", token=token)


@require_POST
def order_faults(request: HttpRequest, token: str) -> HttpResponse:
    """Set the faults of the code's order, which its buyer may."""
    code = code_find(code_url=f"?pr={token}")
    if code is None:
        return _unknown_code_page(request)
    if not caller_of(request).is_buyer(code.trade):
        raise PermissionDenied
    order_faults_set(trade=code.trade, changes=changes_of(request.POST, ORDER_KINDS), reset=True)
    return redirect("sandbox:pay", token=token)


def _unknown_code_page(request: HttpRequest) -> HttpResponse:
    return render(request, "sandbox/pay.html", {"refusal": "无法识别的支付码"}, status=404)


def payer_openid(user: User | None, trade: Trade) -> str:
    """Return by which openid an account pays an order; "" without an account."""
    return person_of(user).openid(trade_appid(trade)) if user else ""


def _context(code: PayCode, caller: Caller) -> dict[str, object]:
    trade = code.trade
    reason = pay_refusal(trade=trade, code=code, now=timezone.now())
    return {
        "code": code,
        "trade": trade,
        "refusal": reason.text if reason and reason is not Reason.ORDER_PAID else "",
        "is_buyer": caller.is_buyer(trade),
        "payer": caller.user,
        **fault_form({FaultKind(kind): value for kind, value in trade.faults.items()}, ORDER_KINDS),
    }
