"""Translate `order_masters` and `order_details`: paid orders become history, and unpaid ones are closed.

No imported order is open, so no sweep handles one, and no stock changes: the old inventory is already what was left.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from accounts.models import User
from core.money import fen_to_yuan, yuan_to_fen
from moving.catalogue import GONE_CATEGORY, MAX_PRICE, product_pks
from moving.dump import Document, DocumentRefused
from moving.translation import Detail, ImportRun, Translation
from moving.values import Values, id_moment, known, plain_all
from shop.models import Category, Order, OrderLine, OrderLog, Product
from shop.models.catalogue import ID_LENGTH, MAX_STOCK, NAME_LENGTH
from shop.models.order import MAX_TOTAL
from shop.order_states import API_STATUSES, Note, OrderStatus, PayStatus, ShippingStatus, State

GONE_BUYER = "已删除的用户"

_UNPAID = {OrderStatus.CANCELLED: State.CANCELLED, OrderStatus.INVALID: State.INVALID, OrderStatus.CLOSED: State.CLOSED}
_SHIPPED = {
    ShippingStatus.NOT_SHIPPED: State.PAID,
    ShippingStatus.PREPARING: State.PREPARING,
    ShippingStatus.SHIPPED: State.SHIPPED,
    ShippingStatus.RECEIVED: State.RECEIVED,
}
_HOLDS_STOCK = set(_SHIPPED.values())
_NOTES = {
    OrderStatus.RETURNED: "旧系统中的退货,退款情况见微信商户平台",
    OrderStatus.SUBMITTED: "迁入时尚未付款,已关闭",
    OrderStatus.DRAFT: "迁入时尚未付款,已关闭",
}
_PAID_AND_GIVEN_UP = "旧系统中已付款但订单已取消或关闭,款项见微信商户平台"


class Arrived(NamedTuple):
    """An order with its lines. Lines name products by id; ``missing`` holds those products that no longer exist."""

    order: Order
    unid: str
    lines: list[OrderLine]
    missing: dict[str, Product]


class KnownOrders(NamedTuple):
    orders: set[str]
    buyers: dict[str, str]  # unid to user name
    products: set[str]


def detail_read(values: Values) -> Detail:
    """Read a detail.

    :raises DocumentRefused: it belongs to no order, or lacks the product, the number of pieces or the price.
    """
    order_id, price, quantity = values.id("order_id", 100), values.yuan("price"), values.whole("quantity")
    if price is None or price > MAX_PRICE:
        raise DocumentRefused(f"价格不是 0.01 到 {MAX_PRICE} 之间的数")
    if quantity is None or not 0 < quantity <= MAX_STOCK:
        raise DocumentRefused(f"数量不是 1 到 {MAX_STOCK} 之间的整数")
    line = {
        "product_code": values.id("product_id", ID_LENGTH),
        "title": values.required("productName", NAME_LENGTH, "未命名商品"),
        "description": values.text("description", 10_000),
        "price": price,
        "quantity": quantity,
        "image_url": values.picture("imageUrl"),
    }
    return Detail(order_id, line, values)


def look_up(documents: Sequence[Document], run: ImportRun) -> KnownOrders:
    ids, unids = plain_all(documents, "order_id"), plain_all(documents, "unid")
    codes = {detail.line["product_code"] for order_id in ids for detail in run.details.get(order_id, [])}
    return KnownOrders(
        known(Order.objects.filter(order_id__in=ids), "order_id"),
        dict(User.objects.filter(unid__in=unids).values_list("unid", "username")),
        known(Product.objects.filter(product_id__in=codes), "product_id"),
    )


def translate(values: Values, existing: KnownOrders, run: ImportRun) -> Arrived:
    order_id = values.id("order_id", 32)
    lines = _lines(values, run.details.get(order_id, []))
    total = _total(values, lines)
    run.claim_once("order", order_id, is_here=order_id in existing.orders, what="order_id 相同")
    order = _order(values, order_id, total)
    unid = values.text("unid", 100)
    username = existing.buyers.get(unid) or run.value("unid", unid)
    if username is None:
        values.fix("买家已不存在，订单只记下名字", unid)
    order.username = username or values.text("user_nickname", 64) or GONE_BUYER
    return Arrived(order, unid, lines, _placeholders(values, lines, existing, run))


def write(arrivals: Sequence[Arrived], run: ImportRun) -> None:
    users = dict(User.objects.filter(unid__in={arrival.unid for arrival in arrivals}).values_list("unid", "pk"))
    missing = {code: product for arrival in arrivals for code, product in arrival.missing.items()}
    products = product_pks(missing, {line.product_code for arrival in arrivals for line in arrival.lines}, run)
    for arrival in arrivals:
        arrival.order.user_id = users.get(arrival.unid)
    Order.objects.bulk_create([arrival.order for arrival in arrivals])
    for arrival in arrivals:
        for line in arrival.lines:
            line.order_id, line.product_id = arrival.order.pk, products[line.product_code]
    OrderLine.objects.bulk_create([line for arrival in arrivals for line in arrival.lines])
    OrderLog.objects.bulk_create(
        OrderLog(
            order_id=arrival.order.pk,
            at=run.now,
            actor=Note.MOVED_IN.label,
            code=Note.MOVED_IN,
            event=Note.MOVED_IN.label,
            to_state=arrival.order.state,
        )
        for arrival in arrivals
    )


def _lines(values: Values, details: list[Detail]) -> list[OrderLine]:
    """Add up the lines of the same product, because an order has only one line for each."""
    lines: dict[str, OrderLine] = {}
    for detail in details:
        new = OrderLine(**detail.line)
        line = lines.setdefault(new.product_code, new)
        if line is new:
            continue
        if line.price == new.price and line.quantity + new.quantity <= MAX_STOCK:
            line.quantity += new.quantity
            values.fix("同一商品有几条明细，数量相加", new.product_code)
        else:
            values.fix("同一商品有几条价格不同的明细，只保留第一条", f"{new.product_code} {new.price}")
    if not details:
        values.fix("订单没有明细")
    return list(lines.values())


def _total(values: Values, lines: list[OrderLine]) -> Decimal:
    """Read the total. It is in fen, while all other amounts are in yuan."""
    fen, of_lines = values.whole("total_fee", is_rounded=True), sum((line.amount for line in lines), Decimal())
    if fen is None or fen <= 0:
        if not of_lines:
            raise DocumentRefused("没有金额，也没有明细可以相加")
        values.fix("total_fee 不是大于 0 的数，取明细之和", values.raw("total_fee"))
        fen = yuan_to_fen(of_lines)
    total = fen_to_yuan(fen)
    if total > MAX_TOTAL:
        raise DocumentRefused("金额过大")
    if lines and total != of_lines:
        values.fix("total_fee 与明细之和不同，以 total_fee 为准", f"{total} / {of_lines}")
    return total


def _order(values: Values, order_id: str, total: Decimal) -> Order:
    state, status, note = _state(values)
    numbers = API_STATUSES[state]
    created_at = values.created(by_id=order_id, names=("create_time",))
    updated_at = values.moment("update_time")
    is_paid = numbers.pay_status == PayStatus.PAID
    shiping: int | None = numbers.shiping_status
    if shiping is None:
        shiping = _code(values, "shiping_status", ShippingStatus)
    return Order(
        order_id=order_id,
        total=total,
        phone=values.text("user_phone", 32),
        address=values.text("address", 200),
        state=state,
        order_status=status,
        pay_status=numbers.pay_status,
        shiping_status=shiping,
        holds_stock=state in _HOLDS_STOCK,
        note=note,
        created_at=created_at,
        expires_at=created_at,
        paid_at=max(updated_at or created_at, created_at) if is_paid else None,
    )


def _state(values: Values) -> tuple[State, int, str]:
    """Return our state, the order_status, and a note for staff where the old numbers do not say enough."""
    status = _code(values, "order_status", OrderStatus)
    shiping = _code(values, "shiping_status", ShippingStatus)
    note = _NOTES.get(OrderStatus(status), "")
    if _code(values, "pay_status", PayStatus) == PayStatus.UNPAID:
        if shiping != ShippingStatus.NOT_SHIPPED or status == OrderStatus.RETURNED:
            values.fix("没有付款却已发货或退货，记为未付款、已关闭", f"{status} {shiping}")
            note = ""
        state = _UNPAID.get(OrderStatus(status), State.CLOSED)
        return state, API_STATUSES[state].order_status or 0, note
    if status == OrderStatus.RETURNED:
        return State.REFUNDED, status, note
    if status in _UNPAID:
        values.fix("已付款但订单已取消或关闭，记为已退款，请核对款项", status)
        return State.REFUNDED, status, _PAID_AND_GIVEN_UP
    return _SHIPPED[ShippingStatus(shiping)], OrderStatus.SUBMITTED, ""


def _code(values: Values, name: str, codes: Any) -> int:
    number = values.whole(name)
    if number in codes.values:
        return int(number or 0)
    if values.raw(name) is not None:
        values.fix(f"{name} 不认识，记为 0", values.raw(name))
    return 0


def _placeholders(values: Values, lines: list[OrderLine], existing: KnownOrders, run: ImportRun) -> dict[str, Product]:
    """Make the products of the lines that no longer exist, with the lines' names and prices, not on sale."""
    missing = {}
    for line in lines:
        code = line.product_code
        if code in existing.products or run.claim("product", code) is not None:
            continue
        values.fix("商品已不存在，按明细补一个已下架的商品", code)
        missing[code] = Product(
            product_id=code,
            category=Category(category_id=GONE_CATEGORY),
            name=line.title,
            price=line.price,
            image_url=line.image_url,
            created_at=id_moment(code) or run.now,
            removed_at=run.now,
        )
    return missing


ORDERS = Translation("order_masters", "订单", translate, look_up, write, batch=500)
