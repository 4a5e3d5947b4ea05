"""`product_categorys` and `products`, which keep their ids, `carts`, and `order_masters` with `order_details`.

Paid orders become history, and unpaid ones are closed. No imported order is open, so no sweep handles one, and no stock
changes: the old inventory is already what was left.
"""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from accounts.models import User
from core.money import fen_to_yuan, yuan_to_fen
from moving.document import Document, DocumentRefused, id_moment, plain
from moving.dump import Dump
from moving.table import AlreadyHere, Table
from shop.models import CartItem, Category, Order, OrderLine, OrderLog, Product
from shop.models.catalogue import ID_LENGTH, MAX_STOCK, NAME_LENGTH, VIP_CATEGORY_ID
from shop.models.order import MAX_TOTAL
from shop.order_states import STATUSES, Note, OrderStatus, PayStatus, ShippingStatus, State

GONE_CATEGORY = "0" * ID_LENGTH  # of products whose own category is unknown
GONE_NAME = "已删除的类目"
HALF_DAY = timedelta(hours=12)
GONE_BUYER = "已删除的用户"
UNPAID = {OrderStatus.CANCELLED: State.CANCELLED, OrderStatus.INVALID: State.INVALID}
SHIPPED = {
    ShippingStatus.NOT_SHIPPED: State.PAID,
    ShippingStatus.PREPARING: State.PREPARING,
    ShippingStatus.SHIPPED: State.SHIPPED,
    ShippingStatus.RECEIVED: State.RECEIVED,
}


class Categories(Table):
    collection, model, key = "product_categorys", Category, ("category_id",)

    def __init__(self, dump: Dump) -> None:
        super().__init__(dump)
        self.names = set(Category.objects.filter(removed_at=None).values_list("name", flat=True))

    def record(self, old: Document) -> Category:
        category_id = old.id("category_id", ID_LENGTH)
        created_at = old.created("createTime", "category_id")
        name = old.free_name(old.text("categoryName", NAME_LENGTH, "未命名类目"), self.names, NAME_LENGTH)
        self.names.add(name)
        return Category(
            category_id=category_id,
            name=name,
            image_url=old.address("categoryImgurl"),
            creator=old.text("creator", 64),
            created_at=created_at,
            updator=old.text("updator", 64),
            updated_at=_updated(old, created_at),
        )


class Products(Table):
    collection, model, key = "products", Product, ("product_id",)

    def __init__(self, dump: Dump) -> None:
        super().__init__(dump)
        self.categories = set(Category.objects.values_list("category_id", flat=True))
        self.category_ids: dict[str, str] = {}  # by product_id

    def record(self, old: Document) -> Product:
        product_id, price = old.id("product_id", ID_LENGTH), old.price()
        self.category_ids.setdefault(product_id, self._category_id(old))
        created_at = old.created("createTime", "product_id")
        return Product(
            product_id=product_id,
            name=old.text("productName", NAME_LENGTH, "未命名商品"),
            price=price,
            description=old.text("description", 10_000),
            stock=old.whole("inventory", 0, MAX_STOCK, 0),
            image_url=old.address("imageUrl"),
            created_at=created_at,
            updator=old.text("updator", 64),
            updated_at=_updated(old, created_at),
        )

    def write(self, records: Sequence[Product]) -> None:
        ids = [self.category_ids[product.product_id] for product in records]
        pks = _category_pks(set(ids), self.dump.now)
        for product, category_id in zip(records, ids, strict=True):
            product.category_id = pks[category_id]
        super().write(records)

    def _category_id(self, old: Document) -> str:
        category_id = old.text("category_id", ID_LENGTH + 1)
        if category_id not in self.categories:
            old.fix("类目已不存在，归入一个不再使用的类目", category_id)
        elif category_id == VIP_CATEGORY_ID:
            old.fix("VIP 商品记为等级 1、30 天，请在后台核对")
        return category_id if 0 < len(category_id) <= ID_LENGTH else GONE_CATEGORY


def _category_pks(ids: set[str], now: datetime) -> dict[str, int]:
    """Return the keys of these categories. Those that no longer exist are made first, not on sale."""
    Category.objects.bulk_create(
        (
            Category(category_id=one, name=GONE_NAME, created_at=id_moment(one, latest=now) or now, removed_at=now)
            for one in sorted(ids)
        ),
        ignore_conflicts=True,
    )
    return dict(Category.objects.filter(category_id__in=ids).values_list("category_id", "pk"))


def _updated(old: Document, created_at: datetime) -> datetime | None:
    """Add twelve hours to a time before the creation: the old server wrote times without am and pm."""
    moment = old.moment("updateTime")
    if moment and moment < created_at:
        moment += HALF_DAY
    return moment if moment and moment >= created_at else None


class Carts(Table):
    """The carts, a row for each product in a user's cart."""

    collection, model, key = "carts", CartItem, ("user_id", "product_id")

    def __init__(self, dump: Dump) -> None:
        super().__init__(dump)
        self.users = dict(User.objects.values_list("unid", "pk"))
        # Not those that were made for old orders: a second run must not find more than the first.
        self.products = dict(Product.objects.filter(removed_at=None).values_list("product_id", "pk"))

    def record(self, old: Document) -> CartItem:
        user_pk = self.users.get(old.id("unid", 64))
        product_pk = self.products.get(old.id("product_id", 32))
        if user_pk is None or product_pk is None:
            raise DocumentRefused("用户不存在" if user_pk is None else "商品不存在，或已下架")
        return CartItem(
            user_id=user_pk,
            product_id=product_pk,
            quantity=old.whole("quantity", 1, MAX_STOCK, 1),
            is_checked=old.raw("isChecked") in (True, "true", "1"),
            created_at=old.created("create_time", "cart_id"),
        )


# --- Orders ---
class Orders(Table):
    """The orders, each with its lines."""

    collection, model = "order_masters", Order

    def __init__(self, dump: Dump) -> None:
        super().__init__(dump)
        self.here = set(Order.objects.values_list("order_id"))
        self.buyers = {user.unid: user for user in User.objects.only("unid", "username")}
        self.products = set(Product.objects.values_list("product_id", flat=True))
        # All of them, since the file has them in any sequence.
        self.details: defaultdict[str, list[Document]] = defaultdict(list)
        for detail in dump.documents(OrderDetails.collection):
            self.details[plain(detail.raw("order_id"))].append(detail)

    def record(self, old: Document) -> tuple[Order, list[OrderLine]]:
        order_id = old.id("order_id", 32)
        lines = _lines(old, self.details.get(order_id, []))
        total = _total(old, lines)
        self.claim((order_id,), "order_id")
        buyer = self.buyers.get(old.text("unid", 100))
        if buyer is None:
            old.fix("买家已不存在，订单只记下名字", old.raw("unid"))
        if gone := [line.product_code for line in lines if line.product_code not in self.products]:
            old.fix("商品已不存在，按明细补一个已下架的商品", "、".join(gone))
        username = buyer.username if buyer else old.text("user_nickname", 64) or GONE_BUYER
        order = Order(order_id=order_id, user=buyer, username=username, total=total, **_columns(old))
        for line in lines:
            line.order = order
        return order, lines

    def write(self, records: Sequence[tuple[Order, list[OrderLine]]]) -> None:
        orders = Order.objects.bulk_create([order for order, _ in records])
        lines = [line for _, of_order in records for line in of_order]
        pks = _product_pks(lines, self.dump.now)
        for line in lines:
            line.product_id = pks[line.product_code]
        OrderLine.objects.bulk_create(lines)
        name, note = Note.MOVED_IN.label, Note.MOVED_IN
        OrderLog.objects.bulk_create(
            OrderLog(order=order, at=self.dump.now, actor=name, code=note, event=name, to_state=order.state)
            for order in orders
        )


def _product_pks(lines: list[OrderLine], now: datetime) -> dict[str, int]:
    """Return the keys of these lines' products. Those that no longer exist are made of the lines, not on sale."""
    by_code = {line.product_code: line for line in lines}
    products = Product.objects.filter(product_id__in=by_code)
    gone = by_code.keys() - set(products.values_list("product_id", flat=True))
    pks = _category_pks({GONE_CATEGORY} if gone else set(), now)
    Product.objects.bulk_create(
        Product(
            product_id=code,
            category_id=pks[GONE_CATEGORY],
            name=by_code[code].title,
            price=by_code[code].price,
            image_url=by_code[code].image_url,
            created_at=id_moment(code, latest=now) or now,
            removed_at=now,
        )
        for code in sorted(gone)
    )
    return dict(products.values_list("product_id", "pk"))


class OrderDetails(Table):
    """The details, which have come with their orders: here they are counted, and those that did not come reported."""

    collection, model = "order_details", OrderLine

    def __init__(self, dump: Dump) -> None:
        super().__init__(dump)
        came = OrderLog.objects.filter(code=Note.MOVED_IN, at=dump.now)
        self.came = set(came.values_list("order__order_id", flat=True))
        self.orders = set(Order.objects.values_list("order_id", flat=True))

    def record(self, old: Document) -> OrderLine:
        order_id, line = old.id("order_id", 100), _line(old)
        if order_id not in self.orders:
            raise DocumentRefused("没有这个订单，或订单没有带入")
        if order_id not in self.came:
            raise AlreadyHere
        return line

    def write(self, records: Sequence[OrderLine]) -> None:
        """Nothing: ``Orders`` has written them."""


def _line(old: Document) -> OrderLine:
    return OrderLine(
        product_code=old.id("product_id", ID_LENGTH),
        title=old.text("productName", NAME_LENGTH, "未命名商品"),
        description=old.text("description", 10_000),
        price=old.price(),
        quantity=old.whole("quantity", 1, MAX_STOCK),
        image_url=old.address("imageUrl"),
    )


def _lines(old: Document, details: list[Document]) -> list[OrderLine]:
    """Return a line for each product, because an order has only one; ``OrderDetails`` reports those that are none."""
    lines: dict[str, OrderLine] = {}
    for detail in details:
        with suppress(DocumentRefused):
            new = _line(detail)
            line = lines.setdefault(new.product_code, new)
            if line is new:
                continue
            if line.price == new.price and line.quantity + new.quantity <= MAX_STOCK:
                line.quantity += new.quantity
                old.fix("同一商品有几条明细，数量相加", new.product_code)
            else:
                old.fix("同一商品有几条价格不同的明细，只保留第一条", f"{new.product_code} {new.price}")
    if not lines:
        old.fix("订单没有明细")
    return list(lines.values())


def _total(old: Document, lines: list[OrderLine]) -> Decimal:
    """Read the total. It is in fen, while all other amounts are in yuan."""
    fen, of_lines = round(old.number("total_fee") or 0), sum((line.amount for line in lines), Decimal())
    if fen <= 0:
        if not lines:
            raise DocumentRefused("没有金额，也没有明细可以相加")
        old.fix("total_fee 不是大于 0 的数，取明细之和", old.raw("total_fee"))
        fen = yuan_to_fen(of_lines)
    total = fen_to_yuan(fen)
    if total > MAX_TOTAL:
        raise DocumentRefused("金额过大")
    if lines and total != of_lines:
        old.fix("total_fee 与明细之和不同，以 total_fee 为准", f"{total} / {of_lines}")
    return total


def _columns(old: Document) -> dict[str, Any]:
    """Read the columns of an order that follow from its own document alone."""
    status = OrderStatus(old.whole("order_status", 0, max(OrderStatus), 0))
    shiping = ShippingStatus(old.whole("shiping_status", 0, max(ShippingStatus), 0))
    is_paid = old.whole("pay_status", 0, 1, 0) == PayStatus.PAID
    if not is_paid:  # no order is open: its payment would be unknown here
        state, note = UNPAID.get(status, State.CLOSED), ""
        if shiping != ShippingStatus.NOT_SHIPPED or status == OrderStatus.RETURNED:
            old.fix("没有付款却已发货或退货，记为未付款", f"{status} {shiping}")
        elif status in (OrderStatus.DRAFT, OrderStatus.SUBMITTED):
            note = "迁入时尚未付款,已关闭"
    elif status == OrderStatus.RETURNED:
        state, note = State.REFUNDED, "旧系统中的退货,退款情况见微信商户平台"
    elif status in (*UNPAID, OrderStatus.CLOSED):
        state, note = State.REFUNDED, "旧系统中已付款但订单已取消或关闭,款项见微信商户平台"
        old.fix("已付款但订单已取消或关闭，记为已退款，请核对款项", status)
    else:
        state, note = SHIPPED[shiping], ""
    numbers: dict[str, int] = {"order_status": status, "shiping_status": shiping}
    numbers |= STATUSES[state].numbers
    created_at = old.created("create_time", "order_id")
    return numbers | {
        "phone": old.text("user_phone", 32),
        "address": old.text("address", 200),
        "state": state,
        "holds_stock": state in SHIPPED.values(),
        "note": note,
        "created_at": created_at,
        "expires_at": created_at,
        "paid_at": max(old.moment("update_time") or created_at, created_at) if is_paid else None,
    }
