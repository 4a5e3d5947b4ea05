"""Questions to the database. Every list is ordered, and a buyer's lists hold only what is the buyer's own."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Count, F, Q, QuerySet, Value
from django.db.models.functions import Reverse

from core.db.reading import read_all, read_one, read_page
from payments.selectors import orders_differing, orders_untold
from permissions.scope import EVERYTHING, Scope
from shop.models import CartItem, Category, Order, OrderLine, PartRefund, Product, VipGrant
from shop.order_states import TO_DO, State

SCARCE = 10  # a product with this stock or less is shown as running out
MAX_SCARCE = 200
MAX_SEARCH = 128  # characters of a search that count
MAX_WORDS = 4  # of a search of which each may stand for something else
MAX_OF_WORD = 5_000  # the newest orders with one of them
TAIL_LENGTH = 4  # with fewer of its last characters an order's number finds too many orders


def order_numbers_of(user_pk: int) -> QuerySet[Order, Any]:
    """Return the numbers of a buyer's orders, as a subquery."""
    return Order.objects.filter(user=user_pk).order_by().values("order_id")


def category_page(window: slice, *, scope: Scope = EVERYTHING) -> tuple[int, list[Category]]:
    """Return the number of categories in use, and a page of them, oldest first."""
    return read_page(Category, _on_sale_sql(scope), window, user_pk=scope.user_pk)


def goods_entered(user_pks: Iterable[int]) -> tuple[QuerySet[Product], QuerySet[Category]]:
    """Return the products and the categories that the users have entered and that are not removed."""
    condition = {"created_by__in": list(user_pks), "removed_at": None}
    return Product.objects.filter(**condition), Category.objects.filter(**condition)


def _on_sale_sql(scope: Scope) -> str:
    return "t.removed_at IS NULL" + (" AND t.created_by_id = %(user_pk)s" if scope.is_narrow else "")


def product_page(
    window: slice, *, product_id: str = "", category_id: str = "", scope: Scope = EVERYTHING
) -> tuple[int, list[Product]]:
    """Return the number of products on sale, and a page of them with their categories, oldest first.

    A category may be removed already.
    """
    where = _on_sale_sql(scope)
    if product_id:
        where += " AND t.product_id = %(product_id)s"
    if category_id:
        # Compare keys: PostgreSQL then reads the page in order from the index of the category's products.
        where += " AND t.category_id = (SELECT id FROM shop_category WHERE category_id = %(category_id)s)"
    values: dict[str, Any] = {"product_id": product_id, "category_id": category_id, "user_pk": scope.user_pk}
    return read_page(Product, where, window, join="category", **values)


def cart_page(window: slice, *, user_pk: int) -> tuple[int, list[CartItem]]:
    """Return the length of a user's cart, and a page of it with its products, also those that were taken off sale."""
    return read_page(CartItem, "t.user_id = %(user_pk)s", window, join="product", user_pk=user_pk)


# Orders that the buyer has deleted are left out.
_OWN = "t.user_id = %(buyer_pk)s AND t.hidden_at IS NULL"


def order_page(window: slice, *, buyer_pk: int) -> tuple[int, list[Order]]:
    """Return the number of a buyer's orders, and a page of them with their buyer, newest first."""
    return read_page(Order, _OWN, window, join="user", order="t.id DESC", buyer_pk=buyer_pk)


def lines_of(orders: list[Order]) -> dict[int, list[OrderLine]]:
    """Return each order's lines by its key, as they were ordered."""
    lines: dict[int, list[OrderLine]] = {order.pk: [] for order in orders}
    for line in read_all(OrderLine, "t.order_id = ANY(%(orders)s)", orders=list(lines)):
        lines[line.order_id].append(line)
    return lines


def records_of(*, user_pk: int) -> dict[str, QuerySet[Any]]:
    """Return what is kept about a buyer, by the names that staff read."""
    return {
        "订单": Order.objects.filter(user_id=user_pk).order_by("pk"),
        "订单商品": OrderLine.objects.filter(order__user_id=user_pk).order_by("pk"),
        "购物车": CartItem.objects.filter(user_id=user_pk).order_by("pk"),
        "VIP 时长": VipGrant.objects.filter(user_id=user_pk).order_by("pk"),
    }


def order_find(*, buyer_pk: int, order_id: str) -> Order | None:
    """Return a buyer's order. None also if it is another buyer's, or the buyer has deleted it."""
    where = f"{_OWN} AND t.order_id = %(order_id)s"
    return read_one(Order, where, order_id=order_id, buyer_pk=buyer_pk)


def orders_visible(scope: Scope) -> Q:
    """Match the orders that a member of staff sees: those of all buyers, or with the scope of the own rows the own."""
    return Q(user=scope.user_pk) if scope.is_narrow else Q()


def order_search(
    orders: QuerySet[Order], text: str, *, limit: int | None = None, by_part_of_phone: bool = True
) -> QuerySet[Order]:
    """Find orders by ``text``; of several words each may be found in another way.

    Their number or phone begins or ends with it, their recipient, buyer or parcel's number (there or back) begins with
    it, or the name of a product contains it.

    :param limit: enough for a list of that many, the newest first. Where very many orders match, all take seconds.
    :param by_part_of_phone: False for users who may not see phones: its last four digits, which they see, find an order
        then, also those of a whole number. By more of them one could find out the rest by trying.
    """
    # Each condition by itself: where few rows match, PostgreSQL reads its index, else the newest orders until it has
    # enough. With "OR" it would use none of the indexes, and took a second where half of 100,000 orders matched.
    newest = orders.order_by("-pk").prefetch_related(None)
    newest = newest.alias(tail=Reverse("order_id"), phone_tail=Reverse("phone"))

    def found(text: str, limit: int | None) -> list[QuerySet[Order, Any]]:
        return [newest.filter(way).values("pk")[:limit] for way in _conditions(text, by_part_of_phone)]

    ways, words = found(text, limit), text.split()
    # A phone may be written in parts, and is one word.
    if 1 < len(words) <= MAX_WORDS and not re.fullmatch(r"[\d\s-]+", text):
        every = newest
        for word in words:
            every = every.filter(pk__in=_union(found(word, limit and MAX_OF_WORD)))
        ways.append(every.values("pk")[:limit])
    return orders.filter(pk__in=_union(ways))


def _union(rows: list[QuerySet[Order, Any]]) -> QuerySet[Order, Any]:
    return rows[0].union(*rows[1:])


def _conditions(text: str, by_part_of_phone: bool) -> list[Q]:
    text = text.strip()[:MAX_SEARCH]
    number = re.sub(r"[\s-]", "", text) or text  # people write phones with spaces
    conditions = [Q(order_id__startswith=number), Q(username__startswith=text), _begins("recipient", text)]
    conditions += [_begins(column, number.upper()) for column in ("express_no", "return_no")]
    if len(number) >= TAIL_LENGTH:
        conditions.append(Q(tail__startswith=number[::-1]))
    if by_part_of_phone:
        conditions += [Q(phone__startswith=phone) for phone in sorted({number, text})]
    elif re.fullmatch("1[0-9]{10}", number):
        number = number[-TAIL_LENGTH:]
    if len(number) == TAIL_LENGTH or (by_part_of_phone and len(number) > TAIL_LENGTH):
        conditions.append(Q(phone_tail__startswith=number[::-1]))
    # Numbers and not a subquery: PostgreSQL knows how many lines a product has.
    if products := list(Product.objects.filter(name__icontains=text).order_by().values_list("pk", flat=True)):
        conditions.append(Q(pk__in=OrderLine.objects.order_by().filter(product__in=products).values("order_id")))
    return conditions


def _begins(column: str, text: str) -> Q:
    """Return the condition that the column begins with ``text``, with the condition of its partial index."""
    return ~Q(**{column: ""}) & Q(**{f"{column}__startswith": text})


def orders_with_parcels(numbers: Iterable[str], *, scope: Scope, since: datetime) -> QuerySet[Order]:
    """Return the orders in sight, placed ``since`` then, that were sent under one of the numbers, oldest first."""
    orders = Order.objects.filter(orders_visible(scope), ~Q(express_no=""), express_no__in=numbers)
    return orders.filter(created_at__gte=since).order_by("pk")


def orders_in_trouble() -> QuerySet[Order, Any]:
    """Return the keys of the orders with which something is wrong, for the list 异常: orders

    - that are flagged 需关注, by staff, or by the system because the money came after the order was closed;
    - whose refund, of all or of a part, did not arrive;
    - about which the provider's bill and our records disagree, as long as that difference is open;
    - whose payment or refund is recorded, while the order itself could not take the news.
    """
    every = Order.objects.order_by()
    conditions = (
        Q(flagged_at__isnull=False),
        Q(state=State.REFUND_FAILED),
        Q(part_refund=PartRefund.STUCK),
        Q(order_id__in=orders_differing()),
        Q(order_id__in=orders_untold()),
    )
    # Each of them reads an index; with OR none would be used.
    return _union([every.filter(condition).values("pk") for condition in conditions])


def orders_counted(lists: Mapping[str, Q], *, limit: int, scope: Scope) -> dict[str, int]:
    """Return how many orders in sight each condition has, ``limit`` + 1 at most, in one query."""
    orders = Order.objects.order_by().filter(orders_visible(scope))
    rows = [
        orders.filter(where).annotate(name=Value(name)).values_list("name", flat=True)[: limit + 1]
        for name, where in lists.items()
    ]
    counts = Counter(rows[0].union(*rows[1:], all=True))
    return {name: counts[name] for name in lists}


def orders_of_buyers(buyer_pks: list[int]) -> dict[int, dict[str, int]]:
    """Return how many orders each of the buyers has in each state, by the buyer's key."""
    counts: dict[int, dict[str, int]] = {}
    rows = Order.objects.filter(user__in=buyer_pks).order_by().values_list("user_id", "state").annotate(Count("pk"))
    for buyer_pk, state, number in rows:
        counts.setdefault(buyer_pk, {})[state] = number
    return counts


# --- For the dashboard and the metrics: each costs the same after a million finished orders ---
def orders_to_do() -> dict[str, int]:
    """Return how many orders are in each state in which staff have to act, and how many wait for payment."""
    orders = Order.objects.order_by().filter(state__in=[state.value for state in TO_DO])
    counts: dict[str, int] = dict.fromkeys([State.OPEN.value, *(state.value for state in TO_DO)], 0)
    counts |= dict(orders.values_list("state").annotate(Count("pk")))
    counts[State.OPEN.value] = Order.objects.filter(state=State.OPEN, sweep_at__isnull=False).count()
    return counts


def products_scarce(scope: Scope = EVERYTHING) -> list[Product]:
    """Return up to ``MAX_SCARCE`` products on sale with the fewest pieces."""
    # There is no index on the stock: every sale would have to write it.
    scarce = Product.objects.filter(scope.visible(), removed_at=None, stock__lte=SCARCE)
    return list(scarce.only("pk", "name", "stock").order_by("stock", "pk")[:MAX_SCARCE])


def products_found(text: str, *, scope: Scope = EVERYTHING) -> QuerySet[Product]:
    """Return products with ``text`` in their name or with this number; those on sale first, newest first."""
    products = Product.objects.filter(scope.visible(), Q(name__icontains=text) | Q(product_id=text))
    return products.order_by(F("removed_at").asc(nulls_first=True), "-pk")
