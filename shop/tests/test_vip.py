"""VIP time is bought like anything else, and counted once whatever the payment's news does."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from accounts.services.vip import vip_spans
from core.times import format_office_time
from payments.listener import PaidOutcome
from payments.models import Payment, PaymentStatus, Refund, TradeType
from shop.errors import VipTooLong
from shop.models import Order, Product, VipGrant
from shop.models.catalogue import VIP_CATEGORY_ID
from shop.order_states import Event
from shop.services import order_create, order_paid, vip_purchase
from shop.services.order_close import order_close
from shop.services.order_refund import order_refund, order_refund_part
from shop.tests.factories import fill_cart, make_order, make_product, make_vip, phone_pays, run_refunds, stock_of
from tests.kit import at_once, envelope, meet_at

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
NOW = timezone.now()


def info(api, username="li"):
    return api.post("/users/login", {"username": username, "password": "a-password"}).json()["userInfo"]


def pay(order, now):
    """The news that an order's money is there, as payments brings it."""
    return order_paid.on_paid(
        out_trade_no=order.order_id, paid_fen=order.total_fen, transaction_id="42", paid_at=now, now=now
    )


def vip_of(user, now):
    user.refresh_from_db()
    return user.vip_at(now)


class TestByTheApi:
    def test_a_month_is_bought_and_seen_in_user_info(self, api, li, wechat):
        product = make_vip(1, price="0.01")
        rows = li.get("/product/get_product", category_id=VIP_CATEGORY_ID).json()["data"]
        assert [(row["productName"], row["vip_level"], row["vip_days"]) for row in rows] == [("vip1充值", 1, 30)]
        make_product("自行车")
        assert "vip_level" not in li.get("/product/get_product").json()["data"][-1]
        order_id = li.post("/pay/pre_order", {"product_id": product.product_id, "quantity": 2}).json()["order_id"]
        li.post("/pay/payment", {"order_id": order_id})
        before = timezone.now()
        phone_pays(wechat, order_id)

        answer = info(api)

        ends = User.objects.get(username="li").vip_expires_at
        assert ends is not None and before + 60 * DAY <= ends <= timezone.now() + 60 * DAY
        assert (answer["vipLevel"], answer["vipExpires"]) == (1, format_office_time(ends))
        assert answer["vipStamp"] == int(ends.timestamp() * 1000)
        # There is nothing to ship.
        row = li.get("/order/get_order", order_id=order_id).json()["data"]
        assert (row["order_status"], row["pay_status"], row["shiping_status"]) == (1, 1, 2)
        assert envelope(li.get("/order/query_order_status", order_id=order_id)) == (200, True, "支付成功")
        assert envelope(li.get("/order/del_order", order_id=order_id))[1] is True

    def test_a_lower_level_is_refused_and_takes_nothing(self, li):
        User.objects.filter(pk=li.user.pk).update(vip_level=2, vip_expires_at=timezone.now() + DAY)
        product, higher = make_vip(1, stock=5), make_vip(3)
        body = {"product_id": product.product_id}
        fill_cart(li, product, higher)

        assert envelope(li.post("/pay/pre_order", body)) == (10004, False, "不能充值低等级的vip")
        assert envelope(li.post("/pay/pre_order")) == (10004, False, "不能充值低等级的vip")  # beside a higher one
        assert stock_of(product) == 5 and not Order.objects.exists()
        User.objects.filter(pk=li.user.pk).update(vip_expires_at=timezone.now())  # after its end any may be bought
        assert envelope(li.post("/pay/pre_order", body))[1] is True


class TestCounting:
    def test_paid_too_late_it_does_not(self, li):
        product = make_vip(1, stock=1)
        order = make_order(li.user, product)
        order_close(event=Event.CANCEL, order_id=order.order_id, buyer_pk=li.user.pk, actor="li", now=NOW)
        make_order(li.user, product)  # takes the last one

        assert pay(order, NOW) is PaidOutcome.REFUND

        assert vip_of(li.user, NOW) == (0, None) and not VipGrant.objects.exists()

    @pytest.mark.parametrize(("bought", "quantity"), [(0, 98_000), (0, 122), (100, 22), (0, 2**31)])
    def test_no_order_reaches_beyond_ten_years(self, li, bought, quantity):
        product = make_vip(1, stock=2**31)
        if bought:
            pay(make_order(li.user, product, bought), NOW)

        answer = li.post("/pay/pre_order", {"product_id": product.product_id, "quantity": quantity})

        assert envelope(answer) == (10010, False, "vip最长10年,请减少数量")
        assert Order.objects.filter(pay_status=0).count() == 0 and stock_of(product) == 2**31 - bought

    def test_unpaid_orders_count_for_the_ten_years_until_they_are_closed(self, li):
        product = make_vip(1, stock=2**31)
        first = make_order(li.user, product, 60)
        body = {"product_id": product.product_id, "quantity": 62}

        assert envelope(li.post("/pay/pre_order", body)) == (10010, False, "vip最长10年,请减少数量")
        assert envelope(li.post("/pay/pre_order", body | {"quantity": 61}))[1] is True
        order_close(event=Event.CANCEL, order_id=first.order_id, buyer_pk=li.user.pk, actor="li", now=timezone.now())
        assert envelope(li.post("/pay/pre_order", body | {"quantity": 60}))[1] is True

    def test_an_order_keeps_what_it_was_placed_for_and_goods_in_it_are_shipped(self, li):
        vip, goods = make_vip(1, days=30), make_product("自行车", vip_level=3)  # goods, not of the category
        fill_cart(li, vip, goods)
        order = Order.objects.get(order_id=li.post("/pay/pre_order").json()["order_id"])
        Product.objects.filter(pk=vip.pk).update(vip_level=3, vip_days=365)

        assert pay(order, NOW) is pay(order, NOW) is PaidOutcome.ACCEPTED  # the news may come twice

        order.refresh_from_db()
        assert (order.state, vip_of(li.user, NOW)) == ("paid", (1, NOW + 30 * DAY))
        another = make_order(li.user, vip)
        User.objects.filter(pk=li.user.pk).delete()
        assert pay(another, NOW) is PaidOutcome.ACCEPTED  # its buyer is deleted


def provider_pays(order, now):
    """A paid payment beside the paid order, so that there is money to give back."""
    Payment.objects.create(
        out_trade_no=order.order_id,
        amount_fen=order.total_fen,
        trade_type=TradeType.NATIVE,
        state=PaymentStatus.PAID,
        transaction_id=f"42{order.pk}",
        paid_at=now,
        time_start=now,
        time_expire=now,
        created_at=now,
    )
    pay(order, now)


# --- Refunds ---------------------------------------------------------------------------------------
def bought(wechat, user, product, now):
    order = make_order(user, product, now=now)
    provider_pays(order, now)
    return order


def rest_of(user, now):
    """Days that are left of each level."""
    user.refresh_from_db()
    return {level: rest / DAY for level, rest in vip_spans(user, now).items() if rest}


# Purchases (day, level), each of 30 days; the refunds (day, which purchase); what is left of each level after them.
REFUNDS = {
    "the first, on its last day": ([(0, 1), (0, 1)], [(29, 0)], {1: 30}),
    "the first, used up": ([(0, 1), (0, 1)], [(31, 0)], {1: 29}),
    "the second, not begun": ([(0, 1), (0, 1)], [(29, 1)], {1: 1}),
    "the second, begun": ([(0, 1), (0, 1)], [(31, 1)], {}),
    "both": ([(0, 1), (0, 1)], [(29, 0), (29, 1)], {}),
    "both, the second first": ([(0, 1), (0, 1)], [(29, 1), (29, 0)], {}),
    "the one in the middle": ([(0, 1)] * 3, [(29, 1)], {1: 31}),
    "the one in the middle, then the first": ([(0, 1)] * 3, [(29, 1), (29, 0)], {1: 30}),
    "the first two after their time": ([(0, 1)] * 3, [(70, 0), (70, 1)], {1: 20}),
    "after a pause without VIP": ([(0, 1), (50, 1)], [(60, 0)], {1: 20}),
    "a low level that a higher one has stopped": ([(0, 1), (10, 3)], [(20, 0)], {3: 20}),
    "a high level": ([(0, 1), (10, 3)], [(20, 1)], {1: 20}),
    "a high level after its time": ([(0, 1), (10, 3)], [(45, 1)], {1: 15}),
    "a low level on both sides of a higher one": ([(0, 1), (10, 3), (40, 1)], [(45, 0)], {1: 30}),
}


@pytest.mark.parametrize(("purchases", "refunds", "left"), REFUNDS.values(), ids=REFUNDS)
def test_a_refund_takes_what_is_unused_of_its_purchase_and_nothing_of_a_later_one(li, wechat, purchases, refunds, left):
    products = {level: make_vip(level) for level in (1, 3)}
    orders = [bought(wechat, li.user, products[level], NOW + day * DAY) for day, level in purchases]

    for day, index in refunds:
        order_refund(order_id=orders[index].order_id, actor="root", now=NOW + day * DAY)

    assert rest_of(li.user, NOW + max(day for day, _ in refunds) * DAY) == left


def test_time_that_was_not_bought_is_used_first(li, wechat):
    User.objects.filter(pk=li.user.pk).update(vip_level=1, vip_expires_at=NOW + 100 * DAY)
    orders = [bought(wechat, li.user, make_vip(1), NOW) for _ in range(2)]

    order_refund(order_id=orders[0].order_id, actor="root", now=NOW + 110 * DAY)
    assert rest_of(li.user, NOW + 110 * DAY) == {1: 30}
    order_refund(order_id=orders[1].order_id, actor="root", now=NOW + 110 * DAY)
    assert rest_of(li.user, NOW + 110 * DAY) == {}


def test_what_was_bought_beside_a_vip_without_end_gave_nothing_and_takes_nothing(li, wechat):
    User.objects.filter(pk=li.user.pk).update(vip_level=1, vip_expires_at=None)
    order = bought(wechat, li.user, make_vip(1), NOW)
    assert vip_of(li.user, NOW) == (1, None)
    User.objects.filter(pk=li.user.pk).update(vip_expires_at=NOW + 50 * DAY)

    order_refund(order_id=order.order_id, actor="root", now=NOW)

    assert rest_of(li.user, NOW) == {1: 50}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_at_once", [True, False], ids=["one statement", "twin"])
def test_two_refunds_at_the_same_instant_take_nothing_of_a_third_purchase(li, wechat, monkeypatch, is_at_once):
    """The second refund begins and ends while the first one counts; the twin asks what is later after it."""
    orders = [bought(wechat, li.user, make_vip(1), NOW) for _ in range(3)]
    unused, now, others = vip_purchase._unused, NOW + 29 * DAY, []

    def refund(order):
        try:
            order_refund(order_id=order.order_id, actor="root", now=now)
        finally:
            connection.close()

    def unused_meanwhile(grant, now):
        if not others:
            others.append(pool.submit(refund, orders[1]))
            others[0].result(timeout=30)
            if not is_at_once:
                later = VipGrant.objects.filter(pk__gt=grant.pk, revoked_at=None)
                grant.later = sum((one.span for one in later), timedelta())
        return unused(grant, now)

    monkeypatch.setattr(vip_purchase, "_unused", unused_meanwhile)
    with ThreadPoolExecutor(1) as pool:
        order_refund(order_id=orders[0].order_id, actor="root", now=now)

    assert (rest_of(li.user, now) == {1: 30}) == is_at_once


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "twin"])
def test_orders_at_the_same_instant_do_not_reach_beyond_ten_years(li, monkeypatch, is_locked):
    products = [make_vip(1, stock=1000) for _ in range(2)]  # of one, the second order waits for its row anyway
    if not is_locked:
        monkeypatch.setattr(order_create, "_lock_buyer", lambda buyer_pk: None)
    meet_at(monkeypatch, "shop.services.order_create.vip_check", is_after=True)

    at_once([lambda p=product: make_order(li.user, p, 70) for product in products], refusals=(VipTooLong,))

    assert Order.objects.count() == (1 if is_locked else 2)


class TestVipBesideGoods:
    @pytest.fixture
    def mixed(self, li, wechat):
        """A paid order of a month of VIP and a towel for 0.01, in state 待发货."""

        def make():
            fill_cart(li, make_vip(3), make_product("毛巾", price="0.01"))
            order = Order.objects.get(order_id=li.post("/pay/pre_order").json()["order_id"])
            provider_pays(order, NOW)
            return Order.objects.get(pk=order.pk)

        return make

    def test_vip_that_runs_is_not_refunded_at_once_and_staff_hear_of_it(self, li, wechat, mixed):
        order = mixed()
        refusal = (1004, False, "订单里的VIP时长已经开始使用,退货申请已转给商家处理")

        for reason in ("买错了", "又来"):
            assert envelope(li.post("/order/returns", {"order_id": order.order_id, "reason": reason})) == refusal

        order.refresh_from_db()
        assert (order.state, order.refunded, Refund.objects.count()) == ("paid", 0, 0)
        assert order.flag_reason == "买家申请退货，VIP 时长已经开始使用：买错了"
        assert order.logs.filter(event="标记需关注").count() == 1
        assert vip_of(li.user, NOW)[0] == 3
        goods = order.lines.get(vip_level=0)
        order_refund_part(
            order_id=order.order_id, amount=goods.price, quantities={goods.pk: 1}, is_restocked=True,
            refunds_seen=0, actor="wang", now=timezone.now(),
        )  # fmt: skip
        assert vip_of(li.user, NOW)[0] == 3 and stock_of(goods.product) == 10

    def test_vip_whose_turn_has_not_come_goes_back_at_once(self, li, wechat, mixed):
        mixed()
        second = mixed()

        assert envelope(li.post("/order/returns", {"order_id": second.order_id})) == (200, True, "退货申请成功")

        second.refresh_from_db()
        assert second.state == "refunding" and 29 < rest_of(li.user, NOW)[3] <= 30

    def test_without_its_vip_an_order_goes_back_at_once(self, li, wechat, mixed):
        order = mixed()
        line = order.lines.get(vip_level=3)
        order_refund_part(
            order_id=order.order_id, amount=line.price, quantities={line.pk: 1}, is_restocked=False,
            refunds_seen=0, actor="wang", now=timezone.now(),
        )  # fmt: skip
        run_refunds()

        assert envelope(li.post("/order/returns", {"order_id": order.order_id})) == (200, True, "退货申请成功")
