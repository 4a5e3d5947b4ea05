"""One buyer cannot hold the whole shelf with orders that are never paid."""

from datetime import timedelta

import pytest
from django.utils import timezone

from shop.errors import TooManyOpenOrders
from shop.models import Order
from shop.services import order_create
from shop.services.order_close import order_close, orders_sweep
from shop.states import Event
from shop.tests.factories import make_order, make_product, stock_of
from tests.kit import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def limits(settings):
    settings.ORDERS_OPEN_MAX, settings.ORDERS_EXPIRED_MAX = 3, 4


def order(client, product, quantity=1):
    answer = client.post("/pay/pre_order", {"product_id": product.product_id, "quantity": quantity}).json()
    return answer["status"], answer["msg"]


def test_so_many_orders_may_wait_for_payment(person):
    li, zhao, product = person("li"), person("zhao"), make_product(stock=9)

    answers = [order(li, product) for _ in range(4)]

    assert answers[2:] == [(200, "订单提交成功"), (10010, "未支付的订单最多3个,请先支付或取消")]
    assert stock_of(product) == 6
    assert order(zhao, product, 6)[0] == 200  # the last pieces, in one order
    first = Order.objects.filter(user=li.user).earliest("pk")
    order_close(event=Event.CANCEL, order_id=first.order_id, buyer_pk=li.user.pk, actor="li", now=timezone.now())
    assert order(li, product)[0] == 200


def test_who_lets_orders_expire_has_to_wait(person):
    li, product, now = person("li"), make_product(), timezone.now()
    for number in range(4):
        began = now - timedelta(minutes=20 - 4 * number)
        make_order(li.user, product, now=began)
        orders_sweep(now=began + timedelta(minutes=3))

    # The last one expired 6 minutes ago.
    assert order(li, product) == (10010, "一小时内有4个订单超时未支付,请4分钟后再下单")
    assert order(person("zhao"), product)[0] == 200
    assert make_order(li.user, product, now=now + timedelta(minutes=4))
    assert make_order(li.user, product, now=now + timedelta(hours=2))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "twin"])
def test_orders_at_the_same_instant_are_counted(person, monkeypatch, is_locked):
    li, product = person("li").user, make_product(stock=50)
    if not is_locked:
        monkeypatch.setattr(order_create, "_lock_buyer", lambda buyer_pk: None)

    at_once([lambda: make_order(li, product)] * 12, refusals=(TooManyOpenOrders,))

    placed = Order.objects.count()
    assert (placed == 3) == is_locked and stock_of(product) == 50 - placed
