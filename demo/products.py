"""Categories and products, so that a new trainee can order at once.

They are known by their numbers, which ``/docs/`` uses and clients have in their source. A number is made from a time,
so these times always give the same numbers.
"""

from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from django.core.files.uploadedfile import SimpleUploadedFile

from core.errors import NothingChanged
from core.ids import time17
from core.times import SHANGHAI
from shop.models import Category, Product
from shop.models.catalogue import VIP_CATEGORY_ID
from shop.services.catalogue import (
    category_create,
    category_remove,
    product_create,
    product_update,
    vip_category_create,
)
from uploads.services import image_store

ACTOR = "lbw"
PICTURES = Path(__file__).parent / "pictures"  # by the number of the product


class DemoProduct(NamedTuple):
    """A product; its place in ``PRODUCTS`` gives its number."""

    category: str
    name: str
    price: str
    stock: int
    description: str
    vip_level: int = 1


# The API document's two categories, and the one of VIP time, which has a number of its own.
VIP_CATEGORY = "vip充值"
CATEGORY_TIMES = {
    "车辆": datetime(2020, 12, 31, 12, 59, 59, 413_000, tzinfo=SHANGHAI),
    "化妆品": datetime(2020, 12, 31, 13, 6, 13, 547_000, tzinfo=SHANGHAI),
}
CATEGORY_IDS = {name: time17(at) for name, at in CATEGORY_TIMES.items()} | {VIP_CATEGORY: VIP_CATEGORY_ID}
FIRST_PRODUCT_AT, PAUSE = datetime(2021, 1, 4, 10, 15, 0, 123_000, tzinfo=SHANGHAI), timedelta(milliseconds=1333)
PRODUCTS = [
    DemoProduct("车辆", "折叠自行车", "899.50", 100, "16寸折叠车，放进后备箱。"),
    DemoProduct("车辆", "山地自行车", "1580.00", 50, "27速，前后碟刹。"),
    DemoProduct("车辆", "电动代步车", "12800.00", 5, "城市通勤，续航120公里。"),
    DemoProduct("化妆品", "哑光口红", "128.00", 200, "正红色，持久不脱色。"),
    DemoProduct("化妆品", "保湿面霜", "0.01", 999, "一分钱试用装，适合测试支付。"),
    DemoProduct(VIP_CATEGORY, "vip充值", "0.01", 99999, "30 天 1 级会员，付款后立即生效。"),
    DemoProduct(VIP_CATEGORY, "vip2充值", "0.02", 99999, "30 天 2 级会员，付款后立即生效。", 2),
    DemoProduct(VIP_CATEGORY, "vip3充值", "0.03", 99999, "30 天 3 级会员，付款后立即生效。", 3),
]
TIMES = [FIRST_PRODUCT_AT + number * PAUSE for number in range(len(PRODUCTS))]
PRODUCT_IDS = [time17(at) for at in TIMES]


def products_seed(*, now: datetime) -> str:
    """Create the demo products that are missing. Those that have been changed or taken off sale stay as they are."""
    number = sum(_create(product, at, now) for product, at in zip(PRODUCTS, TIMES, strict=True))
    return f"新增演示商品 {number} 件" if number else "演示商品已就绪"


def products_reset(*, now: datetime) -> str:
    """Put the demo products and their categories back as they were, also those that were taken off sale."""
    for name in CATEGORY_IDS:
        _reset_category(name, now)
    products_seed(now=now)
    for product, product_id in zip(PRODUCTS, PRODUCT_IDS, strict=True):
        _reset_product(product, product_id, now)
    return f"恢复商品 {len(PRODUCTS)} 件"


def shop_clear(*, now: datetime) -> str:
    """Take all products and categories off sale that are not demo data."""
    products = Product.objects.filter(removed_at=None).exclude(product_id__in=PRODUCT_IDS).update(removed_at=now)
    categories = list(Category.objects.filter(removed_at=None).exclude(category_id__in=CATEGORY_IDS.values()))
    for category in categories:
        category_remove(category_id=category.category_id, even_with_products=True, now=now)
    return f"下架其他商品 {products} 件、类目 {len(categories)} 个"


def _category(name: str, now: datetime) -> Category:
    """Find a category by its number, else by its name; create it if it is missing."""
    if category := Category.objects.filter(category_id=CATEGORY_IDS[name]).first():
        return category
    if name == VIP_CATEGORY:
        return vip_category_create(actor=ACTOR, now=now)
    category = Category.objects.filter(name=name, removed_at=None).first()
    return category or category_create(name=name, actor=ACTOR, now=CATEGORY_TIMES[name])


def _reset_category(name: str, now: datetime) -> None:
    category = _category(name, now)
    # Another category may have the name by now; that one is not ours to change.
    existing = set(Category.objects.filter(removed_at=None).exclude(pk=category.pk).values_list("name", flat=True))
    names = (f"{name}（演示{number}）" for number in count(1))
    free = name if name not in existing else next(other for other in names if other not in existing)
    Category.objects.filter(pk=category.pk).update(category_id=CATEGORY_IDS[name], name=free, removed_at=None)


def _find(product: DemoProduct, product_id: str) -> Product | None:
    same_name = Product.objects.filter(name=product.name, creator=ACTOR)
    return Product.objects.filter(product_id=product_id).first() or same_name.order_by("pk").first()


def _create(product: DemoProduct, at: datetime, now: datetime) -> bool:
    if _find(product, time17(at)):
        return False
    category = _category(product.category, now)
    Category.objects.filter(pk=category.pk).update(removed_at=None)
    fields = _fields(product) | {"category_id": category.category_id, "image_url": _picture_url(time17(at), now)}
    product_create(**fields, actor=ACTOR, now=at)
    return True


def _reset_product(product: DemoProduct, product_id: str, now: datetime) -> None:
    row = _find(product, product_id)
    assert row
    Product.objects.filter(pk=row.pk).update(product_id=product_id, removed_at=None)
    changes = _fields(product) | {"category_id": CATEGORY_IDS[product.category]}
    if row.updated_at is not None:  # the picture may have been changed as well
        changes["image_url"] = _picture_url(product_id, now)
    with suppress(NothingChanged):
        product_update(product_id=product_id, actor=ACTOR, now=now, **changes)
    Product.objects.filter(pk=row.pk).update(updator="", updated_at=None)


def _fields(product: DemoProduct) -> dict[str, Any]:
    names = ("name", "stock", "description", "vip_level")
    return {name: getattr(product, name) for name in names} | {"price": Decimal(product.price), "vip_days": 30}


def _picture_url(product_id: str, now: datetime) -> str:
    name = f"{product_id}.png"
    file = SimpleUploadedFile(name, (PICTURES / name).read_bytes(), "image/png")
    return image_store(file=file, user_pk=None, now=now).url_path
