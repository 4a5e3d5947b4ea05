"""Many buyers at once: over HTTP against several web processes, or on as many database connections."""

from datetime import timedelta
from itertools import cycle

import pytest
from django.db import OperationalError
from django.utils import timezone

from shop.errors import CategoryExists
from shop.models import CartItem, Category, Order, OrderLine, OrderLog, Product
from shop.order_states import Event
from shop.services.cart import cart_add, cart_check
from shop.services.catalogue import category_create
from shop.services.order_close import order_close, orders_sweep
from shop.services.order_create import order_create
from shop.tests.factories import make_order, make_product, pieces_out, stock_of
from tests.kit import at_once, meet_at, meeting
from tests.processes import ask

pytestmark = pytest.mark.django_db(transaction=True)


def rush(ports, product, people):
    """All of ``people`` order one piece at the same instant; answers (HTTP status, body)."""

    def order(port, token):
        return lambda: ask(port, "POST", "/pay/pre_order", {"product_id": product.product_id}, token)

    return at_once(order(port, token) for port, (_, token) in zip(cycle(ports), people, strict=False))


@pytest.mark.slow
def test_300_buyers_at_once_get_exactly_the_100_pieces_there_are(web, buyers):
    product = make_product("限量", stock=100)

    answers = rush(web, product, buyers(300))

    answers_read = [(status, body["status"], body["msg"]) for status, body in answers]
    assert answers_read.count((200, 200, "订单提交成功")) == 100
    assert answers_read.count((200, 10010, "限量库存不足")) == 200
    assert (stock_of(product), pieces_out(product), Order.objects.count()) == (0, 100, 100)


def test_the_twin_that_looks_and_then_writes_oversells(buyers, monkeypatch):
    product, all_have_looked = make_product("限量", stock=1), meeting(4)

    def take_unlocked(quantities, scope):
        [pk] = quantities
        row = Product.objects.get(pk=pk)
        assert row.stock >= 1
        all_have_looked()
        Product.objects.filter(pk=pk).update(stock=row.stock - 1)
        return [OrderLine(product_id=pk, product_code=row.product_id, price=row.price, quantity=1)]

    monkeypatch.setattr("shop.services.order_create.stock_take", take_unlocked)
    at_once([lambda user=user: make_order(user, product) for user, _ in buyers(4)])

    assert (stock_of(product), pieces_out(product)) == (0, 4)


def test_submitting_one_cart_eight_times_at_once_makes_one_order(web, buyers):
    product = make_product(stock=10)
    [(user, token)] = buyers(1)
    cart_add(user_pk=user.pk, product_id=product.product_id, quantity=2, now=timezone.now())
    cart_check(user_pk=user.pk, product_ids=[product.product_id])

    answers = at_once(lambda p=port: ask(p, "POST", "/pay/pre_order", {}, token) for port in web * 4)

    assert sorted(body["status"] for _, body in answers) == [200] + [10010] * 7
    assert (Order.objects.count(), stock_of(product), CartItem.objects.count()) == (1, 8, 0)


def test_adding_one_product_ten_times_at_once_makes_one_row_of_ten(web, buyers):
    product = make_product(stock=100)
    [(_, token)] = buyers(1)
    params = {"product_id": product.product_id, "count": 1}

    answers = at_once(lambda p=port: ask(p, "POST", "/cart/add_to_cart", params, token) for port in web * 5)

    assert {body["msg"] for _, body in answers} == {"添加成功"}
    assert [item.quantity for item in CartItem.objects.all()] == [10]


def crossed_carts(buyers, rounds):
    """Two people buy the same two products again and again, each in another order; answers the first failure."""
    one, two = make_product(stock=1000), make_product(stock=1000)
    failed = []

    def shop(user, products):
        def work():
            for _ in range(rounds):
                for product in products:
                    cart_add(user_pk=user.pk, product_id=product.product_id, quantity=1, now=timezone.now())
                cart_check(user_pk=user.pk, product_ids=[product.product_id for product in products])
                try:
                    order = order_create(buyer_pk=user.pk, username=user.username, now=timezone.now())
                    facts = {"order_id": order.order_id, "buyer_pk": user.pk, "actor": user.username}
                    order_close(event=Event.CANCEL, **facts, now=timezone.now())
                except OperationalError as error:
                    failed.append(str(error))
                if failed:
                    return

        return work

    (first, _), (second, _) = buyers(2)
    at_once([shop(first, [one, two]), shop(second, [two, one])])
    return failed, (stock_of(one), stock_of(two))


def test_carts_in_opposite_order_60_times_never_deadlock(buyers):
    assert crossed_carts(buyers, rounds=30) == ([], (1000, 1000))
    assert Order.objects.count() == 60


def test_the_twin_that_takes_products_as_they_come_deadlocks(buyers, monkeypatch):
    def as_they_come(buyer_pk):
        items = list(CartItem.objects.filter(user_id=buyer_pk).order_by("pk"))
        CartItem.objects.filter(user_id=buyer_pk).delete()
        return {item.product_id: item.quantity for item in items}

    monkeypatch.setattr("shop.services.order_create._checked_out", as_they_come)
    monkeypatch.setattr("shop.services.stock.sorted", list, raising=False)
    meet_at(monkeypatch, "shop.services.stock._take", is_after=True)  # each has its first product

    failed, _ = crossed_carts(buyers, rounds=1)

    assert failed and "deadlock" in failed[0]


def test_many_sweeps_at_once_give_everything_back_once(buyers):
    product, other = make_product(stock=300), make_product(stock=300)
    [(user, _)] = buyers(1)
    for number in range(60):
        make_order(user, product if number % 2 else other, 3)
    past = timezone.now() - timedelta(seconds=1)
    Order.objects.update(expires_at=past, sweep_at=past)

    settled = at_once([lambda: orders_sweep(now=timezone.now())] * 6)

    assert sum(settled) == 60
    assert (stock_of(product), stock_of(other)) == (300, 300)
    assert OrderLog.objects.filter(to_state="closed").count() == 60


def test_categories_of_one_millisecond_have_ids_of_their_own_and_one_name_is_given_once():
    now = timezone.now()
    names = [*(f"类目{n}" for n in range(10)), *["车辆"] * 6]

    outcomes = at_once(
        [lambda name=name: category_create(name=name, actor="root", now=now) for name in names],
        refusals=(CategoryExists,),
    )

    ids = {one.category_id for one in outcomes if isinstance(one, Category)}
    assert len(ids) == 11 == Category.objects.count()
