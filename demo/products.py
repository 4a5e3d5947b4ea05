"""Categories and products, so that a new trainee can order at once.

They are known by their numbers, which ``/docs/`` uses and clients have in their source. A number is made from a time,
so these times always give the same numbers.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import NamedTuple

from django.core.files.uploadedfile import SimpleUploadedFile

from core.ids import time17
from core.times import SHANGHAI
from shop.models import Category, Product
from shop.models.catalogue import VIP_CATEGORY_ID
from shop.services.catalogue import category_remove
from uploads.services import image_adopt, image_store

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
    categories = {name: _category(name, now) for name in CATEGORY_IDS}
    for product, at in zip(PRODUCTS, TIMES, strict=True):
        _product(product, at, categories[product.category], now)
    return f"写入商品 {len(PRODUCTS)} 件"


def shop_clear(*, now: datetime) -> str:
    """Take all products and categories off sale that are not demo data."""
    products = Product.objects.filter(removed_at=None).exclude(product_id__in=PRODUCT_IDS).update(removed_at=now)
    categories = list(Category.objects.filter(removed_at=None).exclude(category_id__in=CATEGORY_IDS.values()))
    for category in categories:
        category_remove(category_id=category.category_id, even_with_products=True, now=now)
    return f"下架其他商品 {products} 件、类目 {len(categories)} 个"


def _category(name: str, now: datetime) -> Category:
    # Another category may have the name by now; that one is not ours to change.
    others = Category.objects.filter(removed_at=None).exclude(category_id=CATEGORY_IDS[name])
    taken = set(others.values_list("name", flat=True))
    names = (name if number == 0 else f"{name}（演示{number}）" for number in count())
    columns = {"name": next(free for free in names if free not in taken), "removed_at": None}
    first = {"creator": ACTOR, "created_at": CATEGORY_TIMES.get(name, now)}
    category, _ = Category.objects.update_or_create(
        category_id=CATEGORY_IDS[name], defaults=columns, create_defaults=columns | first
    )
    return category


def _product(product: DemoProduct, at: datetime, category: Category, now: datetime) -> None:
    product_id = time17(at)
    columns = product._asdict() | {"category": category, "price": Decimal(product.price), "vip_days": 30}
    columns |= {"removed_at": None, "updator": "", "updated_at": None}
    row = Product.objects.filter(product_id=product_id).first()
    if row is None or row.updated_at:  # the picture may have been changed as well
        file = SimpleUploadedFile("picture.png", (PICTURES / f"{product_id}.png").read_bytes(), "image/png")
        columns["image_url"] = image_store(file=file, user_pk=None, now=now).url_path
    row, _ = Product.objects.update_or_create(
        product_id=product_id, defaults=columns, create_defaults=columns | {"creator": ACTOR, "created_at": at}
    )
    image_adopt(url=row.image_url, owner=f"shop.Product:{row.pk}:{row.image_url.rpartition('/')[2]}")
