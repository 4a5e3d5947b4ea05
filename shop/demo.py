"""Demo categories and products, so that somebody new can order at once. They are made only if DEMO_DATA is on."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from io import BytesIO

from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from PIL import Image, ImageDraw

from core.times import SHANGHAI
from shop.demo_orders import orders_reset, orders_seed
from shop.models import Category, Product
from shop.services.categories import category_create, vip_category_create
from shop.services.products import product_create
from uploads.services import image_store

ACTOR = "lbw"
SIDE = 480
Draw = Callable[[ImageDraw.ImageDraw, str], None]


def _bicycle(draw: ImageDraw.ImageDraw, ink: str) -> None:
    for x in (70, 270):
        draw.ellipse((x, 230, x + 140, 370), outline=ink, width=12)
    draw.line([(140, 300), (200, 190), (310, 190), (340, 300), (240, 300), (200, 190)], fill=ink, width=10)
    draw.line([(240, 300), (310, 190), (300, 150), (350, 150)], fill=ink, width=10)
    draw.line([(180, 165), (225, 165)], fill=ink, width=14)


def _car(draw: ImageDraw.ImageDraw, ink: str) -> None:
    draw.polygon([(130, 210), (180, 140), (310, 140), (360, 210)], outline=ink, width=12)
    draw.rounded_rectangle((60, 205, 420, 310), 30, outline=ink, width=12)
    for x in (110, 290):
        draw.ellipse((x, 270, x + 80, 350), fill="white", outline=ink, width=12)


def _lipstick(draw: ImageDraw.ImageDraw, ink: str) -> None:
    draw.polygon([(205, 210), (205, 120), (275, 80), (275, 210)], fill=ink)
    draw.rectangle((190, 210, 290, 270), outline=ink, width=10)
    draw.rounded_rectangle((170, 270, 310, 400), 12, outline=ink, width=12)


def _star(draw: ImageDraw.ImageDraw, ink: str) -> None:
    draw.regular_polygon((240, 240, 150), 5, fill=ink)
    draw.regular_polygon((240, 240, 100), 5, rotation=36, fill="white")


def _jar(draw: ImageDraw.ImageDraw, ink: str) -> None:
    draw.rounded_rectangle((130, 130, 350, 190), 16, fill=ink)
    draw.rounded_rectangle((110, 190, 370, 370), 40, outline=ink, width=12)
    draw.ellipse((195, 240, 285, 330), outline=ink, width=8)


# The API document's two categories. A category's number is made from its time, so these times give the same numbers.
CATEGORY_TIMES = {
    "车辆": datetime(2020, 12, 31, 12, 59, 59, 413_000, tzinfo=SHANGHAI),
    "化妆品": datetime(2020, 12, 31, 13, 6, 13, 547_000, tzinfo=SHANGHAI),
}
FIRST_PRODUCT_AT = datetime(2021, 1, 4, 10, 15, 0, 123_000, tzinfo=SHANGHAI)
VIP_CATEGORY = "vip充值"
VIP_LEVELS = {"vip充值": 1, "vip2充值": 2, "vip3充值": 3}
# Category, name, price, stock, description, colour and picture.
PRODUCTS: list[tuple[str, str, str, int, str, str, Draw]] = [
    ("车辆", "折叠自行车", "899.50", 100, "16寸折叠车，放进后备箱。", "#0f766e", _bicycle),
    ("车辆", "山地自行车", "1580.00", 50, "27速，前后碟刹。", "#1d4ed8", _bicycle),
    ("车辆", "电动代步车", "12800.00", 5, "城市通勤，续航120公里。", "#b45309", _car),
    ("化妆品", "哑光口红", "128.00", 200, "正红色，持久不脱色。", "#be123c", _lipstick),
    ("化妆品", "保湿面霜", "0.01", 999, "一分钱试用装，适合测试支付。", "#7c3aed", _jar),
    (VIP_CATEGORY, "vip充值", "0.01", 99999, "30 天 1 级会员，付款后立即生效。", "#a16207", _star),
    (VIP_CATEGORY, "vip2充值", "0.02", 99999, "30 天 2 级会员，付款后立即生效。", "#c2410c", _star),
    (VIP_CATEGORY, "vip3充值", "0.03", 99999, "30 天 3 级会员，付款后立即生效。", "#9d174d", _star),
]


def seed() -> str:
    """Create the demo products that are missing. Those that somebody has changed or taken off sale stay as they are."""
    if not settings.DEMO_DATA:
        return "未开启演示数据"
    made = sum(_make(*facts) for facts in PRODUCTS)
    orders = orders_seed(now=timezone.now())
    return "、".join(
        [f"新增演示商品 {made} 件" if made else "演示商品已就绪", *([f"新增演示订单 {orders} 张"] if orders else [])]
    )


def reset() -> str:
    """Restore the demo products and their categories, also those that were taken off sale."""
    for category, name, price, stock, description, *_ in PRODUCTS:
        _revive(category)
        Product.objects.filter(name=name, creator=ACTOR).update(
            category=_category(category),
            price=Decimal(price),
            stock=stock,
            description=description,
            vip_level=VIP_LEVELS.get(name, 1),
            vip_days=30,
            removed_at=None,
        )
    made = sum(_make(*facts) for facts in PRODUCTS)
    orders = orders_reset(now=timezone.now())
    return f"恢复商品 {len(PRODUCTS) - made} 件，新增 {made} 件；恢复订单 {orders} 张"


def _revive(category: str) -> None:
    named = Category.objects.filter(name=category)
    if not named.filter(removed_at=None).exists():
        named.filter(pk=named.order_by("-pk").values("pk")[:1]).update(removed_at=None)


def _make(category: str, name: str, price: str, stock: int, description: str, ink: str, draw: Draw) -> bool:
    if Product.objects.filter(name=name, creator=ACTOR).exists():
        return False
    product_create(
        category_id=_category(category).category_id,
        name=name,
        price=Decimal(price),
        stock=stock,
        description=description,
        image_url=_picture_url(ink, draw),
        vip_level=VIP_LEVELS.get(name, 1),
        actor=ACTOR,
        now=_made_at(name),
    )
    return True


def _category(name: str) -> Category:
    if name == VIP_CATEGORY:
        return vip_category_create(actor=ACTOR, now=timezone.now())
    found = Category.objects.filter(name=name, removed_at=None).first()
    return found or category_create(name=name, actor=ACTOR, now=CATEGORY_TIMES.get(name) or timezone.now())


def _made_at(name: str) -> datetime:
    """Return the creation time of a product, from which its number is made: samples in ``/docs/`` use the first two."""
    return FIRST_PRODUCT_AT + [facts[1] for facts in PRODUCTS].index(name) * timedelta(milliseconds=1333)


def _picture_url(ink: str, draw: Draw) -> str:
    image = Image.new("RGB", (SIDE, SIDE), "white")
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle((12, 12, SIDE - 12, SIDE - 12), 36, outline=ink, width=4)
    draw(pen, ink)
    out = BytesIO()
    image.save(out, "PNG")
    file = SimpleUploadedFile("product.png", out.getvalue(), "image/png")
    stored = image_store(file=file, user_pk=None, now=timezone.now())
    return stored.url_path
