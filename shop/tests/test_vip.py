"""VIP time is bought like anything else, and counted once whatever the payment's news does."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounts.models import User
from core.times import format_office_time
from payments.listener import PaidOutcome
from payments.models import Payment, PaymentStatus, TradeType
from shop.models import Order, Product, VipGrant
from shop.models.catalogue import VIP_CATEGORY_ID
from shop.services import payment_listener
from shop.services.order_close import order_close
from shop.services.order_refund import order_refund
from shop.states import Event
from shop.tests.factories import make_order, make_product, make_vip, phone_pays, stock_of
from tests.kit import envelope

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
NOW = timezone.now()


def info(api: Any, username: str = "li") -> dict[str, Any]:
    return api.post("/users/login", {"username": username, "password": "a-password"}).json()["userInfo"]


def pay(order: Order, now: datetime) -> PaidOutcome:
    """The news that an order's money is there, as payments brings it."""
    return payment_listener.on_paid(
        out_trade_no=order.order_id, paid_fen=order.total_fen, transaction_id="42", paid_at=now, now=now
    )


def vip_of(user: User, now: datetime) -> tuple[int, datetime | None]:
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
        product = make_vip(1, stock=5)
        body = {"product_id": product.product_id}
        li.post("/cart/add_to_cart", body | {"count": 1})
        li.post("/cart/check", body)

        assert envelope(li.post("/pay/pre_order", body)) == (10004, False, "不能充值低等级的vip")
        assert envelope(li.post("/pay/pre_order")) == (10004, False, "不能充值低等级的vip")  # by the cart
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

    def test_an_order_keeps_what_it_was_placed_for_and_goods_in_it_are_shipped(self, li):
        products = vip, goods = make_vip(1, days=30), make_product("自行车", vip_level=3)  # goods, not of the category
        for product in products:
            li.post("/cart/add_to_cart", {"product_id": product.product_id, "count": 1})
        li.post("/cart/check", {"product_id": f"{vip.product_id},{goods.product_id}"})
        order = Order.objects.get(order_id=li.post("/pay/pre_order").json()["order_id"])
        Product.objects.filter(pk=vip.pk).update(vip_level=3, vip_days=365)

        pay(order, NOW)

        order.refresh_from_db()
        assert (order.state, vip_of(li.user, NOW)) == ("paid", (1, NOW + 30 * DAY))
        another = make_order(li.user, vip)
        User.objects.filter(pk=li.user.pk).delete()
        assert pay(another, NOW) is PaidOutcome.ACCEPTED  # its buyer is deleted


def provider_pays(order: Order, now: datetime) -> None:
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


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("buy"), st.integers(1, 3), st.integers(1, 3)),
        st.tuples(st.just("pay"), st.integers(0, 9), st.integers(1, 3)),  # told so often
        st.tuples(st.just("cancel"), st.integers(0, 9), st.just(0)),
        st.tuples(st.just("refund"), st.integers(0, 9), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 45), st.just(0)),  # days
    ),
    max_size=25,
)


@hypothesis_settings(
    max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck), print_blob=True
)
@given(steps=STEPS)
def test_in_any_order_of_events_each_span_counts_once(wechat, person, steps):
    user = User.objects.filter(username="li").first() or person("li").user
    User.objects.filter(pk=user.pk).update(vip_level=0, vip_expires_at=None, vip_rest=None)
    VipGrant.objects.all().delete()
    products = {level: make_vip(level, days=10, stock=10_000) for level in (1, 2, 3)}
    orders: list[Order] = []
    now = timezone.now()
    days = dict.fromkeys(products, 0)  # what is left of each level

    for step, first, second in steps:
        if step == "wait":
            now += first * DAY
            for _ in range(first):
                running = max((level for level, days_left in days.items() if days_left), default=1)
                days[running] = max(days[running] - 1, 0)
        elif step == "buy":
            try:
                orders.append(make_order(user, products[first], second, now=now))
            except Exception as refusal:
                assert first < vip_of(user, now)[0], refusal
        elif orders:
            follow(step, orders[first % len(orders)], second, user, now, days)
        level = max((level for level, days_left in days.items() if days_left), default=0)
        assert vip_of(user, now) == (level, now + days[level] * DAY if level else None)


def follow(step: str, order: Order, times: int, user: User, now: datetime, days: dict[int, int]) -> None:
    order.refresh_from_db()
    line = order.lines.get()
    bought = 10 * line.quantity
    if step == "pay" and order.pay_status == 0:
        provider_pays(order, now)
        for _ in range(times - 1):
            pay(order, now)
        days[line.vip_level] += bought
    elif step == "cancel" and order.state == "open":
        cancelled_at = min(now, order.expires_at - timedelta(seconds=1))
        who = {"buyer_pk": user.pk, "actor": "li"}
        order_close(event=Event.CANCEL, order_id=order.order_id, now=cancelled_at, **who)
    elif step == "refund" and order.state == "received":
        grant = VipGrant.objects.get(line=line)
        later = VipGrant.objects.filter(level=line.vip_level, revoked_at=None, pk__gt=grant.pk)
        order_refund(order_id=order.order_id, actor="root", now=now)
        if days[line.vip_level] > sum(10 * one.line.quantity for one in later):
            days[line.vip_level] = max(days[line.vip_level] - bought, 0)
