"""Translate `product_categorys` and `products`, which keep their ids, and `carts`.

If an order or a product refers to a category or product that no longer exists, one is made that is not on sale.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from accounts.models import User
from moving.dump import Document, DocumentRefused
from moving.translation import ImportRun, Translation
from moving.values import Values, id_moment, known, plain_all
from shop.models import CartItem, Category, Product
from shop.models.catalogue import ID_LENGTH, MAX_STOCK, NAME_LENGTH, VIP_CATEGORY_ID

GONE_CATEGORY = "0" * ID_LENGTH  # of products of orders whose own category is unknown
GONE_NAME = "已删除的类目"
HALF_DAY = timedelta(hours=12)
MAX_PRICE = 99_999_999


def categories_known(documents: Sequence[Document], _: ImportRun) -> tuple[set[str], set[str]]:
    """Return the ids and names that records here already have."""
    categories = Category.objects.all()
    return known(categories, "category_id"), known(categories.filter(removed_at=None), "name")


def category(values: Values, existing: tuple[set[str], set[str]], run: ImportRun) -> Category:
    ids, names = existing
    category_id = values.id("category_id", ID_LENGTH)
    name = values.required("categoryName", NAME_LENGTH, "未命名类目")
    run.claim_once("category", category_id, name, is_here=category_id in ids, what="category_id 相同")
    created_at = values.created(by_id=category_id, names=("createTime",))
    return Category(
        category_id=category_id,
        name=_free_name(values, name, names, run),
        image_url=values.picture("categoryImgurl"),
        creator=values.text("creator", 64),
        created_at=created_at,
        updator=values.text("updator", 64),
        updated_at=_updated(values, created_at),
    )


def products_known(documents: Sequence[Document], _: ImportRun) -> tuple[set[str], set[str]]:
    """Return the ids of the products and of the categories that are here already."""
    products = Product.objects.filter(product_id__in=plain_all(documents, "product_id"))
    return known(products, "product_id"), known(Category.objects.all(), "category_id")


def product(values: Values, existing: tuple[set[str], set[str]], run: ImportRun) -> Product:
    products, categories = existing
    product_id = values.id("product_id", ID_LENGTH)
    price = values.yuan("price")
    if price is None or price > MAX_PRICE:
        raise DocumentRefused(f"价格不是 0.01 到 {MAX_PRICE} 之间的数")
    run.claim_once("product", product_id, is_here=product_id in products, what="product_id 相同")
    created_at = values.created(by_id=product_id)
    return Product(
        product_id=product_id,
        category=Category(category_id=_category_id(values, categories, run)),
        name=values.required("productName", NAME_LENGTH, "未命名商品"),
        price=price,
        description=values.text("description", 10_000),
        stock=_stock(values),
        image_url=values.picture("imageUrl"),
        created_at=created_at,
        updator=values.text("updator", 64),
        updated_at=_updated(values, created_at),
    )


def products_create(products: Sequence[Product], run: ImportRun) -> None:
    """Save products. Their ``category`` is an unsaved object that only holds the category's id."""
    pks = _category_pks({product.category.category_id for product in products}, run.now)
    for product in products:
        product.category_id = pks[product.category.category_id]
    Product.objects.bulk_create(products)


def product_pks(missing: Mapping[str, Product], codes: Iterable[str], run: ImportRun) -> dict[str, int]:
    """Return the keys of the products with these ids. Create first those of ``missing`` that are not here."""
    pks = dict(Product.objects.filter(product_id__in=[*codes, *missing]).values_list("product_id", "pk"))
    products = [product for code, product in missing.items() if code not in pks]
    products_create(products, run)
    return pks | {product.product_id: product.pk for product in products}


def _category_pks(ids: set[str], now: datetime) -> dict[str, int]:
    pks = dict(Category.objects.filter(category_id__in=ids).values_list("category_id", "pk"))
    for category_id in sorted(ids - pks.keys()):
        defaults = {"name": GONE_NAME, "created_at": id_moment(category_id) or now, "removed_at": now}
        pks[category_id] = Category.objects.get_or_create(category_id=category_id, defaults=defaults)[0].pk
    return pks


def _free_name(values: Values, name: str, names: set[str], run: ImportRun) -> str:
    free, number = name, 1
    while free in names or run.claim("category name", free) is not None:
        number += 1
        free = f"{name[: NAME_LENGTH - 8]} ({number})"
    if free != name:
        values.fix("类目名称重复，加上序号", f"{name} -> {free}")
    return free


def _updated(values: Values, created_at: datetime) -> datetime | None:
    """Add twelve hours to a time before the creation: the old server wrote times without am and pm."""
    moment = values.moment("updateTime")
    if moment and moment < created_at:
        moment += HALF_DAY
    return moment if moment and moment >= created_at else None


def _category_id(values: Values, categories: set[str], run: ImportRun) -> str:
    category_id = values.text("category_id", 100)
    if category_id in categories or run.value("category", category_id) is not None:
        if category_id == VIP_CATEGORY_ID:
            values.fix("VIP 商品记为等级 1、30 天，请在后台核对")
        return category_id
    usable = category_id if 0 < len(category_id) <= ID_LENGTH else GONE_CATEGORY
    values.fix("类目已不存在，归入一个不再使用的类目", category_id)
    return usable


def _stock(values: Values) -> int:
    stock = values.whole("inventory")
    if stock is None or not 0 <= stock <= MAX_STOCK:
        values.fix(f"库存不是 0 到 {MAX_STOCK} 之间的整数，记为 0", values.raw("inventory"))
        return 0
    return stock


CATEGORIES = Translation("product_categorys", "商品类目", category, categories_known)
PRODUCTS = Translation("products", "商品", product, products_known, products_create)


# --- Carts: one row for each product in a user's cart ---
class ArrivedItem(NamedTuple):
    item: CartItem
    unid: str
    product_id: str


class KnownCarts(NamedTuple):
    users: set[str]
    products: set[str]
    rows: set[tuple[str, str]]


def carts_known(documents: Sequence[Document], _: ImportRun) -> KnownCarts:
    unids, products = plain_all(documents, "unid"), plain_all(documents, "product_id")
    rows = CartItem.objects.filter(user__unid__in=unids, product__product_id__in=products)
    return KnownCarts(
        known(User.objects.filter(unid__in=unids), "unid"),
        # Not those that were made for old orders: a second run must not find more than the first.
        known(Product.objects.filter(product_id__in=products, removed_at=None), "product_id"),
        set(rows.values_list("user__unid", "product__product_id")),
    )


def cart_item(values: Values, existing: KnownCarts, run: ImportRun) -> ArrivedItem:
    unid, product_id = values.id("unid", 64), values.id("product_id", 32)
    if unid not in existing.users and run.value("unid", unid) is None:
        raise DocumentRefused("用户不存在")
    if product_id not in existing.products and run.value("product", product_id) is None:
        raise DocumentRefused("商品不存在，或已下架")
    is_here = (unid, product_id) in existing.rows
    run.claim_once("cart", f"{unid} {product_id}", is_here=is_here, what="同一用户的同一商品")
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


def carts_write(rows: Sequence[ArrivedItem], run: ImportRun) -> None:
    users = dict(User.objects.filter(unid__in={row.unid for row in rows}).values_list("unid", "pk"))
    products = product_pks({}, {row.product_id for row in rows}, run)
    for row in rows:
        row.item.user_id, row.item.product_id = users[row.unid], products[row.product_id]
    CartItem.objects.bulk_create([row.item for row in rows])


CARTS = Translation("carts", "购物车", cart_item, carts_known, carts_write)
