"""Paying an order, money that comes late, and 6.2 of the API document: asking WeChat Pay."""

from contextlib import nullcontext
from datetime import timedelta

import pytest
from auditlog.models import LogEntry
from django.conf import settings
from django.utils import timezone

from accounts.tokens import token_issue
from core.errors import Throttled
from core.upstreams import FAILURES
from payments.errors import ProviderDown
from payments.gateways.wechat import shared
from payments.gateways.wechat.v2 import WeChatV2
from payments.models import Payment
from shop.api.orders import QUERIES_A_MINUTE
from shop.errors import ProviderUndecided
from shop.models import Order, OrderLog, Product
from shop.order_states import Event, OrderAction
from shop.services.order_close import order_close, orders_sweep
from shop.tests.factories import (
    listed,
    make_order,
    make_product,
    phone_pays,
    run_refunds,
    start_payment,
    state_of,
    stock_of,
)
from tests.kit import envelope

pytestmark = pytest.mark.django_db


def pay(client, order, **more):
    return client.post("/pay/payment", {"order_id": order.order_id, **more})


def test_starts_a_payment_of_the_orders_own_amount(li, person, wechat):
    order = make_order(li.user, make_product("𠮷" * 100, price="0.29"), 3)
    Product.objects.update(price=5)  # that is for later orders

    # As the API document's own example has it.
    body = pay(li, order, appid="wxed58e834201d0894", mch_id=1568650321, total_fee=1).json()

    assert (body["status"], body["state"], body["msg"], body["trade_type"]) == (200, True, "OK", "NATIVE")
    assert body["prepay_id"] and body["code_url"].startswith("weixin://wxpay/bizpayurl?pr=")
    assert wechat.orders[order.order_id]["total_fee"] == 87
    assert wechat.orders[order.order_id]["wanted"]["body"] == "𠮷" * 25  # the provider takes 127 bytes
    assert pay(li, order).json()["code_url"] == body["code_url"]
    assert wechat.called("unifiedorder") == 1

    # The openid that the caller logged in with; the answer is what the SDK needs.
    wang = person("wang", openid="oWang", wechat_appid=settings.WECHAT_APP_ID)
    order = make_order(wang.user)
    body = pay(wang, order, trade_type="JSAPI").json()
    assert (body["trade_type"], body["package"]) == ("JSAPI", f"prepay_id={body['prepay_id']}")
    assert "code_url" not in body and wechat.orders[order.order_id]["wanted"]["openid"] == "oWang"


MINI = "wx7c3e0a91d2b45f68"


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({}, (MINI, "o-mini")),
        ({"openid": "o-mini"}, (MINI, "o-mini")),
        ({"appid": MINI}, (MINI, "o-mini")),
        ({"appid": "wxed58e834201d0894"}, ("wxed58e834201d0894", "o-web")),
        ({"openid": "o-other"}, ("wxed58e834201d0894", "o-other")),
    ],
)
def test_a_token_of_a_mini_programs_login_pays_there(person, wechat, sent, expected):
    wang = person("wang", openid="o-web", wechat_appid=settings.WECHAT_APP_ID)
    wechat.openids = {"o-mini": MINI, "o-web": settings.WECHAT_APP_ID}
    wang.token = token_issue(wang.user, payer=(MINI, "o-mini"))
    order = make_order(wang.user)

    body = pay(wang, order, trade_type="JSAPI", **sent).json()

    wanted = wechat.orders[order.order_id]["wanted"]
    assert (body["msg"], body["appId"]) == ("OK", expected[0])
    assert (wanted["appid"], wanted["openid"]) == (Payment.objects.get().appid, expected[1]) == expected


def test_a_token_of_an_earlier_mini_program_and_one_of_another_login_do_not_pay_in_it(person, wechat):
    wang = person("wang")
    wang.token = token_issue(wang.user, payer=("wx-earlier", "o-earlier"))
    assert pay(wang, make_order(wang.user), trade_type="JSAPI").json()["code"] == "PARAM_ERROR"
    wang.token = token_issue(wang.user)
    assert pay(wang, make_order(wang.user), trade_type="JSAPI").json()["code"] == "PARAM_ERROR"
    assert (
        pay(wang, make_order(wang.user), trade_type="JSAPI", appid="wx-other").json()["code"] == "APPID_MCHID_NOT_MATCH"
    )
    assert not wechat.orders


def test_a_started_payment_moves_the_deadline_but_not_beyond_the_providers_and_a_refused_one_does_not(li, wechat):
    order = make_order(li.user, now=timezone.now() - settings.ORDER_TTL + timedelta(seconds=5))
    before = timezone.now()

    pay(li, order)

    order.refresh_from_db()
    deadline = order.expires_at
    assert before + settings.ORDER_TTL <= deadline == order.sweep_at <= timezone.now() + settings.ORDER_TTL
    assert pay(li, order, trade_type="JSAPI", openid="oLi").json()["code"] == "OUT_TRADE_NO_USED"
    order.refresh_from_db()
    assert order.expires_at == deadline

    ends = timezone.now().replace(microsecond=0) + timedelta(seconds=30)
    Payment.objects.update(time_expire=ends)
    pay(li, order)
    order.refresh_from_db()
    assert order.expires_at == order.sweep_at == ends


@pytest.mark.parametrize("ttl", [timedelta(minutes=2), timedelta(minutes=30)])
def test_a_request_that_wechat_did_not_get_can_be_repeated_until_the_order_closes(li, wechat, settings, ttl):
    """WeChat refuses a deadline less than 5 minutes ahead, and the second request is the first one word for word."""
    settings.ORDER_TTL = ttl
    order = make_order(li.user, now=timezone.now() - ttl + timedelta(seconds=5))
    wechat.faults = [("unifiedorder", "down")] * 2
    with pytest.raises(ProviderDown):
        start_payment(order, order.created_at)

    assert pay(li, order).json()["msg"] == "OK"


REFUSALS = {
    "jsapi without openid": ({"trade_type": "JSAPI"}, "PARAM_ERROR"),
    "another app": ({"appid": "wx0000"}, "APPID_MCHID_NOT_MATCH"),
    "no such trade type": ({"trade_type": "MICROPAY"}, "PARAM_ERROR"),
    "another merchant": ({"mch_id": "1"}, "APPID_MCHID_NOT_MATCH"),
    "the provider says no": ({}, "NOAUTH"),
    "the provider says no to another trade type": ({"trade_type": "JSAPI", "openid": "oLi"}, "NOAUTH"),
    "the provider is silent": ({}, None),
    "the merchant is not configured": ({}, None),
}


def test_refuses_by_the_orders_state(li, zhao, wechat):
    paid, cancelled, closed, used_up = (make_order(li.user) for _ in range(4))
    for order in (paid, used_up):
        pay(li, order)
    phone_pays(wechat, paid.order_id)
    li.get("/order/cancel", order_id=cancelled.order_id)
    Order.objects.filter(pk=closed.pk).update(expires_at=timezone.now())
    wechat.orders[used_up.order_id]["state"] = "CLOSED"  # the provider takes its number no more
    Payment.objects.update(code_at=None)

    assert envelope(li.post("/pay/payment")) == (10010, False, "err 请传入order_id")
    assert envelope(li.post("/pay/payment", {"order_id": "nope"})) == (1003, False, "err 订单不存在")
    assert envelope(pay(zhao, paid)) == (1003, False, "err 订单不存在")
    assert envelope(pay(li, paid)) == (1001, False, "err 订单已经支付")
    assert envelope(pay(li, cancelled)) == (1002, False, "err 订单已取消")
    assert envelope(pay(li, closed)) == envelope(pay(li, used_up)) == (1004, False, "err 订单已经关闭")
    orders_sweep(now=timezone.now())
    assert state_of(used_up) == "closed"


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refused_payment_leaves_the_deadline_where_it_is_however_often_it_is_tried(li, wechat, settings, refusal):
    product = make_product(stock=3)
    order = make_order(li.user, product, now=timezone.now() - settings.ORDER_TTL + timedelta(seconds=20))
    more, code = REFUSALS[refusal]
    if code == "NOAUTH":
        wechat.faults = [("unifiedorder", "error", "NOAUTH", "no")] * 3
    wechat.is_down = refusal == "the provider is silent"
    if refusal == "the merchant is not configured":
        settings.WECHAT_PAY_API_KEY = ""

    answers = [pay(li, order, **more).json() for _ in range(3)]

    assert [(body["state"], body.get("code")) for body in answers] == [(False, code)] * 3
    assert all(body["msg"] and body["solution"] for body in answers if code)
    assert code in (None, "NOAUTH") or {body["status"] for body in answers} == {400}
    deadline = order.expires_at
    order.refresh_from_db()
    assert order.expires_at == order.sweep_at == deadline
    wechat.is_down = False
    orders_sweep(now=deadline)
    assert (state_of(order), stock_of(product)) == ("closed", 3)


@pytest.mark.parametrize("ttl", [timedelta(minutes=2), timedelta(minutes=30)])
def test_no_order_stays_open_longer_than_its_time_and_six_minutes_however_often_it_is_paid(li, wechat, settings, ttl):
    settings.ORDER_TTL = ttl
    order = make_order(li.user)
    latest = order.created_at + ttl + timedelta(minutes=6)

    deadline = None
    while order.expires_at != deadline:
        deadline = order.expires_at
        start_payment(order, deadline - timedelta(seconds=1))
        order.refresh_from_db()

    assert latest - timedelta(seconds=2) <= order.expires_at <= latest


def test_an_order_that_falls_due_while_the_provider_is_asked_is_not_closed_under_the_buyers_hands(
    li, wechat, monkeypatch
):
    order = make_order(li.user, now=timezone.now() - settings.ORDER_TTL + timedelta(seconds=5))
    create = WeChatV2.create

    def slow_create(gateway, intent):
        orders_sweep(now=order.expires_at + timedelta(seconds=1))
        return create(gateway, intent)

    monkeypatch.setattr(WeChatV2, "create", slow_create)

    assert envelope(pay(li, order)) == (200, True, "OK")
    order.refresh_from_db()
    assert (order.state, order.expires_at > timezone.now(), order.close_attempts) == ("open", True, 0)
    assert not OrderLog.objects.filter(order=order, event="等待关单").exists()


@pytest.mark.parametrize("is_seen", [True, False])
def test_a_payment_started_while_the_order_was_being_cancelled_is_closed_again(li, wechat, monkeypatch, is_seen):
    order = make_order(li.user)
    create = WeChatV2.create

    def slow_create(gateway, intent):
        if not is_seen:  # to the canceller it looks as if no payment existed
            Order.objects.filter(pk=order.pk).update(payment_started_at=None)
        with pytest.raises(ProviderUndecided) if is_seen else nullcontext():
            order_close(
                event=Event.CANCEL, order_id=order.order_id, buyer_pk=li.user.pk, actor="li", now=timezone.now()
            )
        return create(gateway, intent)

    monkeypatch.setattr(WeChatV2, "create", slow_create)

    assert envelope(pay(li, order)) == (1002, False, "err 订单已取消")
    assert wechat.orders[order.order_id]["state"] == "CLOSED"


def test_polling_asks_the_provider_when_no_notification_came_but_not_more_than_once_in_5_s(li, wechat):
    order = make_order(li.user)
    pay(li, order)

    for _ in range(3):
        assert envelope(li.get("/order/query_order_status", order_id=order.order_id)) == (3005, False, "尚未支付")
    assert wechat.called("query") == 1

    wechat.is_down = True
    assert envelope(li.get("/order/query_order_status", order_id=order.order_id)) == (3005, False, "尚未支付")
    wechat.is_down = False
    wechat.pay(order.order_id)
    Payment.objects.update(last_query_at=timezone.now() - timedelta(seconds=6))
    assert envelope(li.get("/order/query_order_status", order_id=order.order_id)) == (200, True, "支付成功")


# --- Closing what might be paid ------------------------------------------------------------------
def test_money_that_was_faster_than_the_cancellation_wins(li, wechat):
    order = make_order(li.user, product := make_product(stock=3))
    pay(li, order)
    wechat.pay(order.order_id)

    assert envelope(li.get("/order/cancel", order_id=order.order_id)) == (1004, False, "订单已付款,不能取消,请申请退货")
    order.refresh_from_db()
    assert (order.state, order.sweep_at, stock_of(product)) == ("paid", None, 2)


def test_a_silent_provider_keeps_the_stock_held_and_the_wish_is_kept(li, wechat):
    product = make_product(stock=3)
    order = make_order(li.user, product)
    pay(li, order)
    wechat.is_down = True

    status, state, _ = envelope(li.get("/order/cancel", order_id=order.order_id))
    assert (status, state, state_of(order), stock_of(product)) == (1004, False, "open", 2)
    Payment.objects.update(code_at=None)
    assert envelope(pay(li, order)) == (1002, False, "err 订单已取消")

    wechat.is_down = False
    orders_sweep(now=timezone.now() + timedelta(seconds=5))
    assert (state_of(order), stock_of(product)) == ("cancelled", 3)
    log = OrderLog.objects.filter(order=order).last()
    assert (log.actor, log.event) == ("li", "取消")


# --- Late money ----------------------------------------------------------------------------------
def test_money_for_an_order_that_its_buyer_has_deleted_takes_the_stock_again_and_is_shown_to_staff(li, office, wechat):
    product = make_product(stock=3)
    order = make_order(li.user, product, 2)
    pay(li, order)
    assert envelope(li.get("/order/cancel", order_id=order.order_id)) == (200, True, "取消成功")
    assert wechat.orders[order.order_id]["state"] == "CLOSED"
    li.get("/order/del_order", order_id=order.order_id)
    phone_pays(wechat, order.order_id)

    row = li.get("/order/get_order", order_id=order.order_id).json()["data"]
    assert (row["order_status"], row["pay_status"], stock_of(product)) == (1, 1, 1)
    assert "已重新占用库存" in row["note"]
    order.refresh_from_db()
    assert order.flagged_by == "系统" and "关闭后收到付款" in order.flag_reason
    assert listed(office, "trouble") == [order.pk]
    assert not LogEntry.objects.filter(action=OrderAction.ORDER, object_pk=str(order.pk)).exists()  # no staff did it


@pytest.mark.parametrize("gone", ["sold", "removed"])
def test_money_for_a_closed_order_whose_stock_is_gone_goes_back_visibly(li, zhao, lbw, wechat, gone):
    product = make_product(stock=2)
    order = make_order(li.user, product, 2)
    pay(li, order)
    li.get("/order/cancel", order_id=order.order_id)
    if gone == "sold":
        make_order(zhao.user, product)
    else:
        lbw.get("/product/del_product", product_id=product.product_id)
    stock = stock_of(product)
    phone_pays(wechat, order.order_id)
    run_refunds()

    row = li.get("/order/get_order", order_id=order.order_id).json()["data"]
    assert (row["order_status"], row["pay_status"], row["state_text"]) == (2, 1, "已经取消,已退款")
    assert "原路退回" in row["note"]
    poll = li.get("/order/query_order_status", order_id=order.order_id).json()
    assert (poll["status"], poll["state"], poll["msg"]) == (3002, False, "订单已取消") and "原路退回" in poll["note"]
    assert [refund["amount"]["refund"] for refund in wechat.refunds.values()] == [order.total_fen]
    assert stock_of(product) == stock
    assert OrderLog.objects.filter(order=order, event="付款（商品已无库存）").exists()
    assert envelope(pay(li, order)) == (1002, False, "err 订单已取消")


# --- 6.2 -----------------------------------------------------------------------------------------
def ask(client, order_id, **more):
    return client.get(f"/pay/transactions/out-trade-no/{order_id}", **more)


def test_asks_wechat_about_ones_own_order_and_settles_it(li, zhao, wechat):
    order = make_order(li.user)
    pay(li, order)

    unknown = [ask(zhao, order.order_id), *(ask(li, number) for number in ("nope", "%00", "a%00b", "x" * 33, "短"))]
    row = {"status": 404, "state": False, "code": "ORDERNOTEXIST", "msg": "订单不存在"}
    assert {answer.status_code for answer in unknown} == {200}
    assert all(answer.json() == row | {"solution": "请检查订单是否发起过交易"} for answer in unknown)
    assert envelope(pay(zhao, order)) == (1003, False, "err 订单不存在")
    assert ask(li, order.order_id, mchid="1").json()["code"] == "APPID_MCHID_NOT_MATCH"
    assert ask(li, make_order(li.user).order_id).json()["code"] == "ORDERNOTEXIST"
    body = ask(li, order.order_id).json()
    assert body["trade_state"] == "NOTPAY"
    # The path as the API document writes it.
    assert body == li.get(f"/v3/pay/transactions/out-trade-no/{order.order_id}", mchid=1568650321).json()

    wechat.pay(order.order_id)
    body = ask(li, order.order_id, mchid=settings.WECHAT_PAY_MCH_ID).json()

    assert (body["status"], body["state"], body["trade_state"]) == (200, True, "SUCCESS")
    assert body["out_trade_no"] == order.order_id and state_of(order) == "paid"


def test_asking_wechat_is_limited_per_buyer(li, zhao, wechat, monkeypatch):
    assert QUERIES_A_MINUTE > 61  # who asks once a second is never refused
    monkeypatch.setattr("shop.api.orders.QUERIES_A_MINUTE", 2)

    answers = [ask(li, make_order(li.user).order_id) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, Throttled.http_status]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
    assert ask(zhao, make_order(zhao.user).order_id).status_code == 200 and wechat.called("query") == 3


# --- While WeChat Pay is dead ---------------------------------------------------------------------
def die(wechat, li):
    """Let WeChat Pay fail until calls to it are refused."""
    wechat.faults = [("unifiedorder", "page", 502)] * 2 * FAILURES
    for _ in range(FAILURES):
        pay(li, make_order(li.user))
    wechat.faults = []
    wechat.calls.clear()


def test_the_buyer_gets_a_503_at_once_that_says_when_to_come_back_and_nothing_is_written_down(li, zhao, wechat):
    product = make_product(stock=3)
    order, cancelled = make_order(li.user, product), make_order(li.user)
    li.get("/order/cancel", order_id=cancelled.order_id)
    die(wechat, li)
    before, deadline = Payment.objects.count(), order.expires_at

    answer = [pay(li, order) for _ in range(3)][-1]

    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer.json() == {"status": 503, "state": False, "msg": "微信支付暂时不可用,请稍后再试"}
    # What is refused for the order's own sake is told as ever.
    assert pay(li, cancelled).json()["msg"] == "err 订单已取消" and pay(zhao, order).json()["msg"] == "err 订单不存在"
    order.refresh_from_db()
    assert order.expires_at == order.sweep_at == deadline and order.payment_started_at is None
    assert Payment.objects.count() == before and not order.logs.filter(event="发起支付").exists()
    # The order closes in time, though WeChat cannot be asked.
    Order.objects.filter(state="open").exclude(pk=order.pk).update(sweep_at=deadline + timedelta(hours=1))
    orders_sweep(now=deadline)
    order.refresh_from_db()
    assert (order.state, stock_of(product), wechat.calls) == ("closed", 3, [])


def test_a_started_payment_stays_usable_a_cancellation_is_kept_and_the_sweeps_go_on_asking(li, wechat):
    orders = kept, cancelled = make_order(li.user), make_order(li.user)
    codes = [pay(li, order).json()["code_url"] for order in orders]
    die(wechat, li)
    assert pay(li, make_order(li.user)).status_code == 503

    assert pay(li, kept).json()["code_url"] == codes[0]
    assert li.get("/order/cancel", order_id=cancelled.order_id).json()["state"] is False
    cancelled.refresh_from_db()
    assert (cancelled.closing, wechat.calls) == ("cancel", [])

    Order.objects.exclude(pk__in=[order.pk for order in orders]).update(sweep_at=timezone.now() + timedelta(hours=1))
    orders_sweep(now=timezone.now() + timedelta(minutes=10))

    assert [Order.objects.get(pk=order.pk).state for order in orders] == ["closed", "cancelled"] and wechat.calls


def test_a_try_that_leaves_too_little_time_is_not_followed_by_another(li, wechat, monkeypatch):
    monkeypatch.setattr("core.observe.tracing.UPSTREAMS_ANSWER_S", 1.5)
    monkeypatch.setattr(shared, "TOTAL_TIMEOUT_S", 0.1)
    wechat.faults = [("unifiedorder", "slow", 1), ("unifiedorder", "of the second try")]

    answer = pay(li, make_order(li.user))

    assert (answer.status_code, wechat.faults) == (504, [("unifiedorder", "of the second try")])
