"""A buyer's own orders and their payment (6.2 of the API document); and shipping: sellers may ship any order."""

from datetime import datetime
from typing import Any

from django.conf import settings

from accounts.authentication import CallerRequest
from accounts.models import User
from core import times
from core.api.access import Access
from core.api.endpoint import ApiViewSet, Endpoint
from core.api.envelope import Envelope, ok
from core.api.once import done_once
from core.api.params import page_slice
from core.api.request import caller_key, client_ip
from core.audit import Actor
from core.cache import ratelimit
from core.errors import NotPermitted, Throttled
from core.observe.tracing import about
from core.times import span
from payments.errors import PaymentError, WeChatRefused
from payments.models import TradeType
from payments.services.query_close import payment_query
from payments.services.start import payment_sdk_params
from shop import selectors
from shop.api import docs, params
from shop.api.rows import order_row, order_status
from shop.errors import OrderCancelled, OrderClosed, OrderInvalid, OrderUnpaid, ParamsRefused, RecordUnknown, ShopError
from shop.models import Order
from shop.order_states import Event, OrderStatus, PayStatus, ShippingStatus, State
from shop.services.order_close import order_close, order_try_close
from shop.services.order_create import order_create
from shop.services.order_pay import order_pay
from shop.services.order_refund import order_return
from shop.services.order_step import order_step

_SHIP = "/order/ship"
_SHIPPING: dict[int, Event] = {
    ShippingStatus.NOT_SHIPPED: Event.UNPREPARE,
    ShippingStatus.SHIPPED: Event.SHIP,
    ShippingStatus.RECEIVED: Event.RECEIVE,
    ShippingStatus.PREPARING: Event.PREPARE,
}
_UNPAID_ANSWERS: dict[int, type[ShopError]] = {
    OrderStatus.CANCELLED: OrderCancelled,
    OrderStatus.INVALID: OrderInvalid,
    OrderStatus.CLOSED: OrderClosed,
}
QUERIES_A_MINUTE = 120  # clients ask once a second while the buyer pays, in two windows perhaps


class OrderViewSet(ApiViewSet):
    tag = "订单模块"

    @Endpoint(
        "POST",
        "/pay/pre_order",
        f"生成预支付订单({span(settings.ORDER_TTL)}后失效)",
        Access.ANY_USER,
        aliases=("/order/pre_order",),
        docs=docs.PRE_ORDER,
        is_once=True,
    )
    def pre_order(self, request: CallerRequest) -> Envelope:
        values = params.PreOrderParams.read(request)
        user = request.user

        def place() -> Envelope:
            order = order_create(buyer_pk=user.pk, username=Actor.of(user), scope=user.scope, now=times.now(), **values)
            return ok("订单提交成功", order_id=order.order_id)

        return done_once(request, place)

    @Endpoint(
        "GET", "/order/query_order_status", "查询订单支付状态(可轮询)", Access.ANY_USER, docs=docs.POLL, is_reading=True
    )
    def poll(self, request: CallerRequest) -> Envelope:
        values = params.OrderPollParams.read(request)
        now = times.now()
        order = _own(request, values["order_id"], now)
        if order.state == State.OPEN and order.payment_started_at:
            order = _after_asking_provider(order, now)
        return _pay_answer(order, now)

    @Endpoint(
        "GET POST",
        "/order/get_order",
        "查询订单详情",
        Access.ANY_USER,
        docs=docs.GET_ORDER,
        by_rows="数据统计里所有人的订单(要数据权限“全部”)",
        is_reading=True,
    )
    def get_order(self, request: CallerRequest) -> Envelope:
        values = params.OrderListParams.read(request)
        now = times.now()
        if values["order_id"]:
            order = _own(request, values["order_id"], now)
            return ok("订单获取成功", data=order_row(order, selectors.lines_of([order])[order.pk], now))
        window = page_slice(values)
        total, orders = selectors.order_page(window, buyer_pk=request.user.pk)
        lines = selectors.lines_of(orders)
        data = [order_row(_closed_if_due(order, now), lines[order.pk], now) for order in orders]
        return ok("订单获取成功", total=total, data=data)

    @Endpoint("GET", "/order/del_order", "删除订单", Access.ANY_USER, docs=docs.DEL_ORDER)
    def remove(self, request: CallerRequest) -> Envelope:
        values = params.OrderIdParams.read(request)
        now = times.now()
        order = _own(request, values["order_id"], now)
        if order.is_overdue(now):  # the buyer sees it as closed, so deleting it must work
            order_try_close(order_pk=order.pk, now=now)
        elif order.state == State.OPEN:
            order_close(order_id=order.order_id, event=Event.CANCEL, **_buyer(request, now))
        order_step(order_id=order.order_id, event=Event.HIDE, **_buyer(request, now))
        return ok("删除成功")

    @Endpoint("GET", "/order/cancel", "取消订单", Access.ANY_USER, docs=docs.CANCEL)
    def cancel(self, request: CallerRequest) -> Envelope:
        order_close(event=Event.CANCEL, **params.OrderIdParams.read(request), **_buyer(request, times.now()))
        return ok("取消成功")

    @Endpoint(
        "GET",
        _SHIP,
        "发货配送(买家只能确认收货)",
        Access.ANY_USER,
        docs=docs.SHIP,
        by_rows="发货配送(数据权限为“全部”的可处理任何人的订单)",
    )
    def ship(self, request: CallerRequest) -> Envelope:
        # Any user may call this, because a buyer confirms the receipt here; all else needs the path in the role's rows.
        has_path = request.user.role.may_call([_SHIP], Access.ROWS)
        values = params.ShipParams.read(request)
        if not has_path and values["action"] != ShippingStatus.RECEIVED:
            raise NotPermitted
        if (event := _SHIPPING.get(values["action"])) is None:
            raise ParamsRefused("action: 必须是0、1、2、3之一")
        # To a narrower data scope others' orders do not exist, in `get_order` nor here.
        is_seller = has_path and request.user.scope.is_all
        who = _buyer(request, times.now()) | ({"buyer_pk": None} if is_seller else {})
        order_step(order_id=values["order_id"], event=event, **who)
        return ok("修改成功")

    @Endpoint("POST", "/order/returns", "退货", Access.ANY_USER, docs=docs.RETURNS)
    def returns(self, request: CallerRequest) -> Envelope:
        order_return(**params.ReturnParams.read(request), **_buyer(request, times.now()))
        return ok("退货申请成功")


class PayViewSet(ApiViewSet):
    tag = "支付"

    @Endpoint("POST", "/pay/payment", "发起支付", Access.ANY_USER, docs=docs.PAYMENT)
    def start(self, request: CallerRequest) -> Envelope:
        values = params.PaymentParams.read(request)
        _require_merchant(values["appid"], values["mch_id"])
        trade_type = _trade_type(values["trade_type"])
        appid, openid = _payer(request, values["appid"], values["openid"])
        now = times.now()
        payment = order_pay(
            order_id=values["order_id"],
            buyer_pk=request.user.pk,
            trade_type=trade_type,
            client_ip=client_ip(request) or "127.0.0.1",
            openid=openid if trade_type == TradeType.JSAPI else "",
            appid=appid if trade_type == TradeType.JSAPI else values["appid"],
            now=now,
        )
        code: dict[str, Any] = {"code_url": payment.code_url} if payment.trade_type == TradeType.NATIVE else {}
        sdk_params: dict[str, Any] = payment_sdk_params(payment=payment, now=now)
        return ok("OK", prepay_id=payment.prepay_id, trade_type=payment.trade_type, **code, **sdk_params)

    @Endpoint(
        "GET",
        "/pay/transactions/out-trade-no/<str:out_trade_no>",
        "通过订单查询支付状态",
        Access.ANY_USER,
        aliases=("/v3/pay/transactions/out-trade-no/<str:out_trade_no>",),  # the address in the API document
        docs=docs.TRANSACTION,
        is_reading=True,
    )
    def query(self, request: CallerRequest, out_trade_no: str) -> Envelope:
        values = params.TransactionParams.read(request)
        # PostgreSQL takes no NUL.
        if "\0" in out_trade_no or not selectors.order_find(buyer_pk=request.user.pk, order_id=out_trade_no):
            raise WeChatRefused("ORDERNOTEXIST")
        about(order=out_trade_no)
        _require_merchant("", values["mchid"])
        # Each call asks WeChat: without a limit one buyer could use up the merchant's allowance, or all our threads.
        if wait_s := ratelimit.hit(f"pay-query:{caller_key(request)}", limit=QUERIES_A_MINUTE, window_s=60):
            raise Throttled(wait_s)
        return ok("OK", **payment_query(out_trade_no=out_trade_no, now=times.now(), min_interval_s=0))


def _buyer(request: CallerRequest, now: datetime) -> dict[str, Any]:
    return {"buyer_pk": request.user.pk, "actor": Actor.of(request.user), "now": now}


def _own(request: CallerRequest, order_id: str, now: datetime) -> Order:
    order = selectors.order_find(buyer_pk=request.user.pk, order_id=order_id)
    if order is None:
        raise RecordUnknown
    about(order=order_id)
    return _closed_if_due(order, now)


def _closed_if_due(order: Order, now: datetime) -> Order:
    """Close an overdue order whose payment was never started, without waiting for the sweep. Return the order."""
    if order.is_overdue(now) and order.payment_started_at is None:
        order_try_close(order_pk=order.pk, now=now)
        order.refresh_from_db()
    return order


def _after_asking_provider(order: Order, now: datetime) -> Order:
    """Ask the provider about the order, at most once in 5 s, since a notification may be lost. Return the order."""
    try:
        payment_query(out_trade_no=order.order_id, now=now)
    except PaymentError:
        pass  # the answer is then made from what we know
    order.refresh_from_db()
    return order


def _pay_answer(order: Order, now: datetime) -> Envelope:
    answer: dict[str, Any] = {"order_id": order.order_id, **order_status(order, now)}
    refusal = _UNPAID_ANSWERS.get(answer["order_status"])
    if refusal is None and order.pay_status == PayStatus.PAID:
        return ok("支付成功", **answer)
    raise (refusal or OrderUnpaid)(**answer)


def _require_merchant(appid: str, mch_id: str) -> None:
    """Check the merchant values that a client may send.

    :raises WeChatRefused: they are not the configured ones.
    """
    if appid not in ("", settings.WECHAT_APP_ID, settings.WECHAT_MINI_APP_ID) or mch_id not in (
        "",
        settings.WECHAT_PAY_MCH_ID,
    ):
        raise WeChatRefused("APPID_MCHID_NOT_MATCH")


def _trade_type(text: str) -> str:
    """Return a trade type in capitals.

    :raises WeChatRefused: there is no such trade type.
    """
    if text.upper() not in TradeType.values:
        raise WeChatRefused("PARAM_ERROR", "trade_type必须是NATIVE、JSAPI或APP")
    return text.upper()


def _payer(request: CallerRequest, appid: str, openid: str) -> tuple[str, str]:
    """Return the appid and openid that will pay.

    What was sent counts. Without an openid it is the one of the mini program, if the token is from its login, else the
    one with which the caller logs in by WeChat.
    """
    mini_appid, mini_openid = request.user.claims.get("payer", ("", ""))
    is_mini = mini_appid and mini_appid == settings.WECHAT_MINI_APP_ID and appid in ("", mini_appid)
    if is_mini and openid in ("", mini_openid):
        return mini_appid, mini_openid
    appid = appid or settings.WECHAT_APP_ID
    if openid:
        return appid, openid
    payer = User.objects.filter(pk=request.user.pk, wechat_appid=appid)
    return appid, payer.values_list("openid", flat=True).first() or ""
