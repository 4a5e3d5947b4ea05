import pytest

from shop.demo import PRODUCTS, seed
from shop.demo_orders import COURIERS, REASONS
from shop.models import Category, Order, Product
from shop.services.products import product_remove
from shop.states import State

pytestmark = pytest.mark.django_db


def test_makes_the_seeds_categories_and_products_with_pictures_once(yuangong):
    assert seed() == "新增演示商品 8 件、新增演示订单 150 张"
    assert seed() == "演示商品已就绪"

    assert list(Category.objects.values_list("name", flat=True)) == ["车辆", "化妆品", "vip充值"]
    rows = yuangong.get("/product/get_product").json()["data"]
    assert len(rows) == len(PRODUCTS) and all("/media/" in row["imageUrl"] for row in rows)


def test_a_buyer_says_why_goods_come_back_and_parcels_have_numbers_of_their_courier():
    seed()

    orders = list(Order.objects.all())

    asked = [order.note for order in orders if order.state in (State.RETURN_ASKED, State.RETURN_ASKED_LATER)]
    assert len(asked) == 3 and set(asked) <= set(REASONS)
    begins = {(order.express_company, order.express_no[:2]) for order in orders if order.express_no}
    assert begins == set(COURIERS)


def test_what_somebody_removed_stays_removed():
    seed()
    product_remove(product_id=Product.objects.first().product_id, now=Product.objects.first().created_at)

    seed()

    assert Product.objects.filter(removed_at=None).count() == len(PRODUCTS) - 1


def test_without_demo_data_there_is_none(settings):
    settings.DEMO_DATA = False

    seed()

    assert not Product.objects.exists()
