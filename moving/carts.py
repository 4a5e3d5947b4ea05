"""Translate `carts`: one row for each product in a user's cart."""

from collections.abc import Sequence
from dataclasses import dataclass

from accounts.models import User
from moving.catalogue import product_pks
from moving.dump import Document
from moving.errors import AlreadyHere, DocumentRefused
from moving.translation import Arriving, ImportRun, Translation
from moving.values import Values, plain_all
from shop.models import CartItem, Product
from shop.models.catalogue import MAX_STOCK


@dataclass
class ArrivedItem:
    item: CartItem
    unid: str
    product_id: str


@dataclass
class KnownCarts:
    users: set[str]
    products: set[str]
    rows: set[tuple[str, str]]


def look_up(documents: Sequence[Document], _: ImportRun) -> KnownCarts:
    unids, products = plain_all(documents, "unid"), plain_all(documents, "product_id")
    rows = CartItem.objects.filter(user__unid__in=unids, product__product_id__in=products)
    return KnownCarts(
        set(User.objects.filter(unid__in=unids).values_list("unid", flat=True)),
        # Not those that were made for old orders: a second run must not find more than the first.
        set(Product.objects.filter(product_id__in=products, removed_at=None).values_list("product_id", flat=True)),
        set(rows.values_list("user__unid", "product__product_id")),
    )


def translate(values: Values, known: KnownCarts, run: ImportRun) -> ArrivedItem:
    unid, product_id = values.id("unid", 64), values.id("product_id", 32)
    if unid not in known.users and run.index.value("unid", unid) is None:
        raise DocumentRefused("用户不存在")
    if product_id not in known.products and run.index.value("product", product_id) is None:
        raise DocumentRefused("商品不存在，或已下架")
    if run.index.claim("cart", f"{unid} {product_id}") is not None:
        raise DocumentRefused("与前面的文档重复：同一用户的同一商品")
    if (unid, product_id) in known.rows:
        raise AlreadyHere
    quantity = values.whole("quantity") or 0
    if not 0 < quantity <= MAX_STOCK:
        values.fix("数量不是大于 0 的整数，记为 1", values.raw("quantity"))
        quantity = 1
    item = CartItem(
        quantity=quantity,
        is_checked=values.raw("isChecked") in (True, "true", "1"),
        created_at=values.created(by_id=values.text("cart_id", 100), names=("create_time",)),
    )
    return ArrivedItem(item, unid, product_id)


def write(arriving: Sequence[Arriving], run: ImportRun) -> None:
    rows: list[ArrivedItem] = [one.record for one in arriving]
    users = dict(User.objects.filter(unid__in={row.unid for row in rows}).values_list("unid", "pk"))
    products = product_pks({}, {row.product_id for row in rows}, run.now)
    for row in rows:
        row.item.user_id, row.item.product_id = users[row.unid], products[row.product_id]
    CartItem.objects.bulk_create([row.item for row in rows])


CARTS = Translation("carts", "购物车", look_up, translate, write)
