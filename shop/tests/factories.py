"""Small makers of what the shop's tests need; all through the services."""

import itertools
import re
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import F
from django.test import Client
from django.utils import timezone

from accounts.models import User
from payments.models import Payment, Refund
from payments.services.refund import APART, refund_run
from shop.models import Category, Order, OrderLine, Product
from shop.order_states import Event
from shop.services.catalogue import category_create, product_create, vip_category_create
from shop.services.order_create import order_create
from shop.services.order_pay import order_pay
from shop.services.order_step import order_step
from tests.kit import meeting

_numbers = itertools.count(1)
EVERYTHING = "所有商品"  # the category of products whose test names none


def make_category(name: str = "", **fields: Any) -> Category:
    number = next(_numbers)
    return category_create(name=name or f"类目{number}", actor="root", now=timezone.now(), **fields)


def make_product(
    name: str = "", *, price: str = "9.90", stock: int = 10, category: Category | None = None, **fields: Any
) -> Product:
    number = next(_numbers)
    category = category or Category.objects.filter(name=EVERYTHING).first() or make_category(EVERYTHING)
    return product_create(
        category_id=category.category_id,
        name=name or f"商品{number}",
        price=Decimal(price),
        stock=stock,
        description="说明",
        image_url="http://pictures.example/p.png",
        actor="root",
        now=timezone.now(),
        **fields,
    )


def make_vip(level: int, days: int = 30, **fields: Any) -> Product:
    """A product of the VIP category."""
    category = vip_category_create(actor="root", now=timezone.now())
    return make_product(f"vip{level}充值", category=category, vip_level=level, vip_days=days, **fields)


def make_order(buyer: User, product: Product | None = None, quantity: int = 1, **fields: Any) -> Order:
    product = product or make_product()
    fields.setdefault("now", timezone.now())
    return order_create(
        buyer_pk=buyer.pk, username=buyer.username, product_id=product.product_id, quantity=quantity, **fields
    )


def fill_cart(client: Any, *products: Product, count: int = 1) -> None:
    """A buyer puts products into the cart, and checks exactly these."""
    for product in products:
        client.post("/cart/add_to_cart", {"product_id": product.product_id, "count": count})
    client.post("/cart/check", {"product_id": ",".join(product.product_id for product in products)})


def start_payment(order: Order, now: datetime | None = None) -> Payment:
    """The buyer asks for a code to pay by."""
    who = {"order_id": order.order_id, "buyer_pk": order.user_id, "client_ip": "::1"}
    return order_pay(**who, trade_type="NATIVE", now=now or timezone.now())


def make_paid(wechat: Any, buyer: User, product: Product | None = None, quantity: int = 1, **fields: Any) -> Order:
    order = make_order(buyer, product, quantity, **fields)
    start_payment(order)
    phone_pays(wechat, order.order_id)
    order.refresh_from_db()
    return order


def step(order: Order, event: Event, **facts: Any) -> Order:
    """Staff take an order one step."""
    return order_step(order_id=order.order_id, event=event, **{"actor": "root", "now": timezone.now()} | facts)


def ship(order: Order, **facts: Any) -> Order:
    step(order, Event.SHIP, **facts)
    return order


def read_without_lock(monkeypatch: Any, *services: str) -> None:
    """The twin of a race: in place of ``order_lock``, two threads read an order before either goes on."""
    both_have_read = meeting()

    def read(*, order_id: str, **_: Any) -> Order:
        order = Order.objects.get(order_id=order_id)
        both_have_read()
        return order

    for service in services:
        monkeypatch.setattr(f"shop.services.{service}.order_lock", read)


def stock_of(product: Product) -> int:
    return Product.objects.values_list("stock", flat=True).get(pk=product.pk)


def pieces_out(product: Product) -> int:
    """Pieces that orders hold or have sold."""
    out = 0
    for line in OrderLine.objects.filter(product=product).select_related("order"):
        out += (
            (line.quantity if line.order.holds_stock else line.refunded_quantity)
            - line.restocked_quantity
            - line.shelved_quantity
        )
    return out


# --- The world outside, with the fixture ``wechat`` ----------------------------------------------


def notify(wechat: Any, number: str) -> None:
    """WeChat Pay tells that an order is paid."""
    body, headers = wechat.notice_v3(number)
    assert Client().post("/pay/notify", body, "application/json", headers=headers).status_code == 200


def phone_pays(wechat: Any, number: str) -> None:
    """A buyer pays a started order, and WeChat Pay tells it."""
    wechat.pay(number)
    notify(wechat, number)


def run_refunds(now: datetime | None = None) -> None:
    """What the worker does with refunds that are due, however long they were to wait."""
    for refund in Refund.objects.filter(next_try_at__isnull=False).order_by("next_try_at"):
        Refund.objects.update(sent_at=F("sent_at") - APART)
        refund_run(refund_id=refund.pk, now=now or timezone.now(), at_once=True)


# --- The back office ---------------------------------------------------------------------------------
ORDERS, PACKING = "/admin/shop/order/", "/admin/shop/order/packing/"


def page_of(order: Order) -> str:
    return f"{ORDERS}{order.pk}/change/"


def hidden(page: Any) -> dict[str, list[str]]:
    """What the page that asks sends when it is confirmed."""
    fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.content.decode())
    return {name: [value for other, value in fields if other == name] for name, _ in fields}


def messages(answer: Any) -> list[str]:
    return [str(message) for message in answer.context["messages"]]


def click(client: Client, order: Order, name: str, **typed: Any) -> list[str]:
    """Press a button on the order's page and confirm it; return what is told."""
    return messages(client.post(page_of(order), {f"step_{name}": "1", "sure": "1", **typed}, follow=True))


def correct(client: Client, order: Order, name: str, **typed: Any) -> list[str]:
    """Type into the page that a button shows, and confirm it; return what is told."""
    page = client.post(page_of(order), {f"step_{name}": "1"})
    return messages(client.post(page_of(order), hidden(page) | typed, follow=True))


def by_hand(*orders: Order) -> dict[str, str]:
    """What the page that ships sends for orders that no courier takes."""
    return {f"express_company_{order.pk}": ":hand" for order in orders}


def listed(client: Client, work: str, **query: str) -> list[int]:
    return [order.pk for order in client.get(ORDERS, {"work": work, **query}).context["cl"].result_list]


def state_of(order: Order) -> str:
    return Order.objects.values_list("state", flat=True).get(pk=order.pk)
