"""Categories and products, so that a new trainee can order at once.

They are known by their numbers, which ``/docs/`` uses and clients have in their source. A number is made from a time,
so these times always give the same numbers.
"""

from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import NamedTuple

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


def products_reset(*, now: datetime) -> str:
    """Put the demo products and their categories back as they were, also those that were taken off sale."""
    for name in CATEGORY_IDS:
        _category(name, now)
    for product, at in zip(PRODUCTS, TIMES, strict=True):
        _product(product, at, now)
    return f"写入商品 {len(PRODUCTS)} 件"


def shop_clear(*, now: datetime) -> str:
    """Take all products and categories off sale that are not demo data."""
    products = Product.objects.filter(removed_at=None).exclude(product_id__in=PRODUCT_IDS).update(removed_at=now)
    categories = list(Category.objects.filter(removed_at=None).exclude(category_id__in=CATEGORY_IDS.values()))
    for category in categories:
        category_remove(category_id=category.category_id, even_with_products=True, now=now)
    return f"下架其他商品 {products} 件、类目 {len(categories)} 个"


def _category(name: str, now: datetime) -> None:
    category_id = CATEGORY_IDS[name]
    # Another category may have the name by now; that one is not ours to change.
    others = Category.objects.filter(removed_at=None).exclude(category_id=category_id)
    taken = set(others.values_list("name", flat=True))
    names = (name if number == 0 else f"{name}（演示{number}）" for number in count())
    free = next(one for one in names if one not in taken)
    ours = Category.objects.filter(category_id=category_id)
    if name == VIP_CATEGORY and not ours:
        vip_category_create(name=free, actor=ACTOR, now=now)
    elif not ours:
        category_create(name=free, actor=ACTOR, now=CATEGORY_TIMES[name])
    ours.update(name=free, removed_at=None)  # in one statement, since both together decide whether a name is free


def _product(product: DemoProduct, at: datetime, now: datetime) -> None:
    product_id = time17(at)
    fields = product._asdict() | {"price": Decimal(product.price), "vip_days": 30}
    fields["category_id"] = CATEGORY_IDS[fields.pop("category")]
    row = Product.objects.filter(product_id=product_id).first()
    if row is None or row.updated_at:  # the picture may have been changed as well
        file = SimpleUploadedFile("picture.png", (PICTURES / f"{product_id}.png").read_bytes(), "image/png")
        fields["image_url"] = image_store(file=file, user_pk=None, now=now).url_path
    if row is None:
        product_create(**fields, actor=ACTOR, now=at)
        return
    ours = Product.objects.filter(pk=row.pk)
    ours.update(removed_at=None)
    with suppress(NothingChanged):
        product_update(product_id=product_id, actor=ACTOR, now=now, **fields)
    ours.update(updator="", updated_at=None)
