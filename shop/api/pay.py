"""Paying an order, and asking WeChat Pay about it (6.2 of the API document)."""

import re
from typing import Any

from django.conf import settings
from rest_framework.response import Response

from accounts.authentication import CallerRequest
from accounts.models import User
from core import times
from core.api.access import Access
from core.api.endpoint import ApiViewSet, Endpoint
from core.api.envelope import ok
from core.api.request import caller_key, client_ip
from core.cache import ratelimit
from core.errors import Throttled
from core.observe.tracing import about
from payments.errors import WeChatRefused
from payments.models import TradeType
from payments.services.query_close import payment_query
from payments.services.start import payment_sdk_params
from shop import selectors
from shop.api import docs, params
from shop.errors import RecordUnknown
from shop.services.order_pay import order_pay

QUERIES_A_MINUTE = 120  # clients ask once a second while somebody pays, in two windows perhaps
# The form that WeChat Pay allows for an out_trade_no. No order has another, and PostgreSQL refuses some of the others.
ORDER_NUMBER = re.compile(r"[0-9A-Za-z_*|-]{6,32}")


class PayViewSet(ApiViewSet):
    tag = "支付"

    @Endpoint("POST", "/pay/payment", "发起支付", Access.ANY_USER, docs=docs.PAYMENT)
    def start(self, request: CallerRequest) -> Response:
        values = params.PaymentParams.read(request)
        _require_merchant(values["appid"], values["mch_id"])
        trade_type = _trade_type(values["trade_type"])
        now = times.now()
        payment = order_pay(
            order_id=values["order_id"],
            buyer_pk=request.user.pk,
            trade_type=trade_type,
            client_ip=client_ip(request) or "127.0.0.1",
            openid=_openid(request, values["openid"]) if trade_type == TradeType.JSAPI else "",
            now=now,
        )
        code: dict[str, Any] = {"code_url": payment.code_url} if payment.trade_type == TradeType.NATIVE else {}
        signed: dict[str, Any] = payment_sdk_params(payment=payment, now=now)
        return ok("OK", prepay_id=payment.prepay_id, trade_type=payment.trade_type, **code, **signed)

    @Endpoint(
        "GET",
        "/pay/transactions/out-trade-no/<str:out_trade_no>",
        "通过订单查询支付状态",
        Access.ANY_USER,
        aliases=("/v3/pay/transactions/out-trade-no/<str:out_trade_no>",),  # the address in the API document
        docs=docs.TRANSACTION,
        is_reading=True,
    )
    def query(self, request: CallerRequest, out_trade_no: str) -> Response:
        values = params.TransactionParams.read(request)
        if (
            not ORDER_NUMBER.fullmatch(out_trade_no)
            or selectors.order_find(buyer_pk=request.user.pk, order_id=out_trade_no) is None
        ):
            raise RecordUnknown
        about(order=out_trade_no)
        _require_merchant("", values["mchid"])
        # Each call asks WeChat: without a limit one buyer could use up the merchant's allowance, or all our threads.
        if wait_s := ratelimit.hit(f"pay-query:{caller_key(request)}", limit=QUERIES_A_MINUTE, window_s=60):
            raise Throttled(wait_s)
        state = payment_query(out_trade_no=out_trade_no, now=times.now(), min_interval_s=0)
        return ok("OK", **state.answer)


def _require_merchant(appid: str, mch_id: str) -> None:
    """Check the merchant values that a client may send.

    :raises WeChatRefused: they are not the configured ones.
    """
    if appid not in ("", settings.WECHAT_APP_ID) or mch_id not in ("", settings.WECHAT_PAY_MCH_ID):
        raise WeChatRefused("APPID_MCHID_NOT_MATCH")


def _trade_type(text: str) -> str:
    """Return a trade type in capitals.

    :raises WeChatRefused: there is no such trade type.
    """
    if text.upper() not in TradeType.values:
        raise WeChatRefused("PARAM_ERROR", detail="trade_type必须是NATIVE、JSAPI或APP")
    return text.upper()


def _openid(request: CallerRequest, openid: str) -> str:
    """Return the openid that will pay: the one that was sent, else the one with which the caller logs in by scan."""
    if openid:
        return openid
    known = User.objects.filter(pk=request.user.pk, wechat_appid=settings.WECHAT_APP_ID)
    return known.values_list("openid", flat=True).first() or ""
