"""The back office: everything is shown, steps run through the services, nothing can be typed in."""

import pytest

from shop.models import Category, Order, Product
from shop.tests.factories import ORDERS, click, make_category, make_order, make_product, page_of, stock_of
from tests.kit import PageForm, encoded, posted, save_page

pytestmark = pytest.mark.django_db
VIP = {"vip_level": 1, "vip_days": 30}  # every product's form has them


def test_an_order_page_shows_all_only_the_steps_its_state_allows_and_no_field(office, li):
    product = make_product("自行车", price="1234.50", stock=5)
    order = make_order(li.user, product, 2)

    page = office.get(page_of(order)).content.decode()

    assert "自行车" in page and "下单" in page and "订单尚未付款，不能发货" in click(office, order, "ship")[0]
    assert page.count("2,469.00") == 2  # above, and in the table of the lines
    assert 'name="step_close"' in page and 'name="step_invalidate"' in page
    assert 'name="step_ship"' not in page and 'name="_save"' not in page
    office.post(page_of(order), {"state": "paid", "pay_status": 1, "total": "0.01", "_save": "1"})
    assert Order.objects.filter(pk=order.pk, state="open", pay_status=0, total=order.total).exists()
    assert office.post(f"{ORDERS}add/", {}).status_code == 403
    assert office.post(f"{ORDERS}{order.pk}/delete/", {"post": "yes"}).status_code == 403

    click(office, order, "close")

    order.refresh_from_db()
    assert (order.order_status, stock_of(product), order.logs.last().actor) == (4, 5, "root")


def test_adds_and_changes_a_product(office):
    category = make_category("车辆")
    form = {"name": "自行车", "category": category.pk, "price": "99.50", "description": "好", "pieces": 7, **VIP}

    office.post("/admin/shop/product/add/", form | {"picture": posted(encoded())})
    product = Product.objects.get()
    save_page(office, f"/admin/shop/product/{product.pk}/change/", price="88", pieces="-3")

    product.refresh_from_db()
    assert (str(product.price), product.stock, product.creator, product.updator) == ("88.00", 4, "root", "root")
    assert "/media/" in product.image_url


def test_adjusts_stock_by_a_difference_whatever_was_sold_meanwhile_down_to_0(office, li):
    product = make_product(stock=10)
    address = f"/admin/shop/product/{product.pk}/change/"
    form = PageForm(office.get(address)).data(pieces=5)
    make_order(li.user, product, 4)

    office.post(address, form)

    assert stock_of(product) == 11
    assert "不能减少12件" in save_page(office, address, pieces=-12).content.decode() and stock_of(product) == 11


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
