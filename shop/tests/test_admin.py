"""The back office: everything is shown, steps run through the services, nothing can be typed in."""

import re

import pytest
from django.utils import timezone

from shop.models import Category, Order, OrderLog, Product
from shop.services.order_refund import order_return
from shop.tests.factories import make_category, make_order, make_paid, make_product, run_refunds, stock_of
from tests.kit import PageForm, encoded, posted, save_page

pytestmark = pytest.mark.django_db
VIP = {"vip_level": 1, "vip_days": 30}  # every product's form has them


@pytest.fixture
def li(person):
    return person("li").user


def press(office, order, button, reason=""):
    url = f"/admin/shop/order/{order.pk}/change/"
    answer = office.post(url, {f"step_{button}": "1", "reason": reason, "sure": "1"}, follow=True)
    order.refresh_from_db()
    return answer.content.decode()


@pytest.mark.parametrize("page", ["order", "product", "category"])
def test_lists_and_searches(office, li, page):
    order = make_order(li, phone="13800000000")

    answer = office.get(f"/admin/shop/{page}/")
    found = office.get(f"/admin/shop/{page}/", {"q": order.order_id})

    assert (answer.status_code, found.status_code) == (200, 200)


def test_an_order_page_shows_lines_log_and_only_the_steps_its_state_allows(office, li):
    order = make_order(li, make_product("自行车", price="1234.50"), 2)

    page = office.get(f"/admin/shop/order/{order.pk}/change/").content.decode()

    assert "自行车" in page and "下单" in page and "订单尚未付款，不能发货" in press(office, order, "ship")
    assert page.count("2,469.00") == 2  # above, and in the table of the lines
    assert 'name="step_close"' in page and 'name="step_invalidate"' in page
    assert 'name="step_ship"' not in page and 'name="_save"' not in page


def test_closing_gives_the_stock_back_and_names_who_did_it(office, li):
    product = make_product(stock=5)
    order = make_order(li, product, 2)

    press(office, order, "close")

    assert (order.order_status, stock_of(product)) == (4, 5)
    assert OrderLog.objects.filter(order=order).last().actor == "root"


def test_nothing_of_an_order_can_be_typed_in(office, li):
    order = make_order(li)
    url = f"/admin/shop/order/{order.pk}/change/"

    office.post(url, {"state": "paid", "pay_status": 1, "total": "0.01", "_save": "1"})

    assert Order.objects.filter(pk=order.pk, state="open", pay_status=0, total=order.total).exists()
    assert office.post("/admin/shop/order/add/", {}).status_code == 403
    assert office.post(f"/admin/shop/order/{order.pk}/delete/", {"post": "yes"}).status_code == 403


def test_adds_and_changes_a_product(office):
    category = make_category("车辆")
    form = {"name": "自行车", "category": category.pk, "price": "99.50", "description": "好", "pieces": 7, **VIP}

    office.post("/admin/shop/product/add/", form | {"picture": posted(encoded())})
    product = Product.objects.get()
    save_page(office, f"/admin/shop/product/{product.pk}/change/", price="88", pieces="-3")

    product.refresh_from_db()
    assert (str(product.price), product.stock, product.creator, product.updator) == ("88.00", 4, "root", "root")
    assert "/media/" in product.image_url


def test_adjusts_stock_by_a_difference_whatever_was_sold_meanwhile(office, li):
    product = make_product(stock=10)
    form = PageForm(office.get(f"/admin/shop/product/{product.pk}/change/")).data(pieces=5)
    make_order(li, product, 4)

    office.post(f"/admin/shop/product/{product.pk}/change/", form)

    assert stock_of(product) == 11


def test_more_than_there_is_cannot_be_taken_away(office):
    product = make_product(stock=2)
    page = save_page(office, f"/admin/shop/product/{product.pk}/change/", pieces=-3).content.decode()

    assert "不能减少3件" in page and stock_of(product) == 2


def test_takes_products_off_sale_and_removes_empty_categories_only(office):
    product, empty = make_product(), make_category("空")

    full, none = product.category, {"action": "remove_selected"}
    office.post("/admin/shop/category/", none | {"_selected_action": [full.pk, empty.pk]})
    office.post("/admin/shop/product/", none | {"_selected_action": [product.pk]})

    assert list(Category.objects.filter(removed_at=None)) == [full]
    assert not Product.objects.filter(removed_at=None).exists()


def test_adds_and_renames_a_category(office):
    office.post("/admin/shop/category/add/", {"name": "车辆"})
    category = Category.objects.get()
    save_page(office, f"/admin/shop/category/{category.pk}/change/", name="汽车", picture=posted(encoded()))
    page = office.post("/admin/shop/category/add/", {"name": "汽车"}).content.decode()

    category.refresh_from_db()
    assert category.name == "汽车" and "/media/" in category.image_url
    assert "已经存在该类目" in page
    free = {"name": "白送", "category": category.pk, "price": "0", "description": "x", "pieces": 1, **VIP}
    assert "价格必须大于0" in office.post("/admin/shop/product/add/", free).content.decode()
    assert not Product.objects.exists()


def test_ships_decides_on_a_return_and_refunds(office, li, wechat):
    order = make_paid(wechat, li, make_product(price="9.90"), 2)

    press(office, order, "ship")
    order_return(order_id=order.order_id, buyer_pk=li.pk, actor="li", reason="破损", now=timezone.now())
    page = press(office, order, "approve", "寄回已收到")
    run_refunds()

    order.refresh_from_db()
    assert (order.state, order.order_status, order.note) == ("refunded", 5, "退货申请已同意")
    assert [refund["amount"]["refund"] for refund in wechat.refunds.values()] == [1980]
    assert "寄回已收到" in page and "破损" in page and f"{order.order_id}R01" in page
    done = office.get(f"/admin/shop/order/{order.pk}/change/").content.decode()
    assert set(re.findall(r'name="step_(\w+)"', done)) == {"remark", "flag"}
