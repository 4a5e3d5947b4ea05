"""The pages of an order and of the catalogue: all is shown, steps run through the services, no sale is overwritten."""

import re
from decimal import Decimal
from functools import partial

import pytest
from auditlog.models import LogEntry
from django.contrib.admin import site
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from shop.models import Category, Order, OrderLog, Product
from shop.services.catalogue import product_update
from shop.tests.factories import ORDERS, by_hand, click, make_category, make_order, make_product, page_of, stock_of
from tests.kit import PageForm, at_once, encoded, logged_in, meet_at, posted, save_page

pytestmark = pytest.mark.django_db
VIP = {"vip_level": 1, "vip_days": 30}  # every product's form has them


def test_the_log_begins_with_the_newest_and_names_people_in_one_query(office, li):
    User.objects.filter(username="root").update(nickname="张老师")
    User.objects.filter(username="li").update(nickname="li")
    order = make_order(li.user)

    def note(actor, event="x"):
        OrderLog.objects.create(order=order, at=order.created_at, actor=actor, event=event, to_state=order.state)

    note("root", "备注一")
    note("系统", "备注二")
    page = office.get(page_of(order)).content.decode()
    timeline = page.partition('<ol class="op-log')[2].partition("</ol>")[0]
    lines = [re.sub(r"<[^>]+>", " ", line) for line in timeline.split("<li>")[1:]]
    with CaptureQueriesContext(connection) as few:
        office.get(page_of(order))
    for number in range(30):
        note(f"u{number}")
    with CaptureQueriesContext(connection) as many:
        office.get(page_of(order))

    assert [event in line for line, event in zip(lines, ("备注二", "备注一", "下单"), strict=True)] == [True] * 3
    assert "系统" in lines[0] and "张老师（root）" in lines[1] and " li " in lines[2] and "（li）" not in lines[2]
    assert len(many) == len(few)


def test_an_order_page_shows_all_only_the_steps_its_state_allows_and_no_field(office, li):
    product = make_product("自行车", price="1234.50", stock=5)
    order = make_order(li.user, product, 2)

    page = office.get(page_of(order)).content.decode()

    assert "自行车" in page and "下单" in page
    assert "订单尚未付款，不能发货" in click(office, order, "ship", **by_hand(order))[0]
    assert page.count("2,469.00") == 3  # above, in its line, and in the sums
    assert 'name="step_close"' in page and 'name="step_invalidate"' in page
    assert 'name="step_ship"' not in page and 'name="_save"' not in page
    office.post(page_of(order), {"state": "paid", "pay_status": 1, "total": "0.01", "_save": "1"})
    assert Order.objects.filter(pk=order.pk, state="open", pay_status=0, total=order.total).exists()
    assert office.post(f"{ORDERS}add/", {}).status_code == 403
    assert office.post(f"{ORDERS}{order.pk}/delete/", {"post": "yes"}).status_code == 403

    click(office, order, "close")

    order.refresh_from_db()
    assert (order.order_status, stock_of(product), order.logs.last().actor) == (4, 5, "root")


def test_adds_and_changes_a_product_and_adjusts_its_stock_whatever_was_sold_meanwhile(office, li):
    category = make_category("车辆")
    form = {"name": "自行车", "category": category.pk, "price": "1099.50", "description": "好", "pieces": 10, **VIP}
    office.post("/admin/shop/product/add/", form | {"picture": posted(encoded())})
    product = Product.objects.get()
    page = f"/admin/shop/product/{product.pk}/change/"
    opened = PageForm(office.get(page)).data(price="88", pieces=5)
    make_order(li.user, product, 4)

    office.post(page, opened)

    product.refresh_from_db()
    assert (str(product.price), product.stock, product.creator, product.updator) == ("88.00", 11, "root", "root")
    assert "/media/" in product.image_url
    assert "1,099.50" in office.get(page.replace("change", "history")).content.decode()
    assert "不能减少12件" in save_page(office, page, pieces=-12).content.decode() and stock_of(product) == 11


def test_takes_products_off_sale_and_removes_empty_categories_only(office):
    product, empty = make_product(), make_category("空")

    full, none = product.category, {"action": "remove_selected"}
    office.post("/admin/shop/category/", none | {"_selected_action": [full.pk, empty.pk]})
    office.post("/admin/shop/product/", none | {"_selected_action": [product.pk]})

    assert list(Category.objects.filter(removed_at=None)) == [full] and site._registry[Category].preview(full) == "—"
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


class TestPricesAndStockInTheList:
    LIST = "/admin/shop/product/"

    def opened(self, office):
        return PageForm(office.get(self.LIST))

    def save(self, office, opened, **typed):
        return office.post(self.LIST, opened.data(_save="1", **{name.replace("_", "-"): typed[name] for name in typed}))

    def test_changes_what_was_typed_and_no_sale_is_overwritten(self, office, person):
        bike, gloves = make_product("自行车", price="9.90", stock=10), make_product("手套", price="5", stock=10)
        form = self.opened(office)  # the newest first
        make_order(person("li").user, bike, 4)
        make_order(person("wang").user, gloves, 4)

        assert self.save(office, form, form_1_price="12.00", form_1_stock="15").status_code == 302

        bike.refresh_from_db()
        gloves.refresh_from_db()
        assert (str(bike.price), bike.stock, str(gloves.price), gloves.stock) == ("12.00", 11, "5.00", 6)
        assert (bike.updator, gloves.updator) == ("root", "")
        entry = LogEntry.objects.get_for_object(bike).filter(changes__has_key="price").latest("pk")
        assert (entry.actor.username, entry.changes["price"]) == ("root", ["9.90", "12.00"])

    def test_a_mistake_saves_nothing_and_stands_in_its_row(self, office, person):
        bike, gloves = make_product("自行车", stock=5), make_product("手套")
        form = self.opened(office)
        make_order(person("li").user, bike, 4)
        new = make_product("新的")

        page = self.save(office, form, form_0_price="7", form_1_stock="0")

        assert [row.pk for row in page.context["cl"].result_list] == [gloves.pk, bike.pk] != [new.pk]
        assert "库存现有1件，不能调整-5件" in page.content.decode() and 'value="7"' in page.content.decode()
        gloves.refresh_from_db()
        assert str(gloves.price) == "9.90"
        assert "价格必须大于0" in self.save(office, self.opened(office), form_0_price="0").content.decode()

    def test_what_a_colleague_changed_is_asked_about_once(self, office):
        bike = make_product("自行车", price="9.90")
        form = self.opened(office)
        product_update(product_id=bike.product_id, price=Decimal(8), actor="wang", now=timezone.now())

        again = self.save(office, form, form_0_price="12.00")
        bike.refresh_from_db()
        assert "同事刚改成了 8.00" in again.content.decode() and bike.price == 8
        self.save(office, PageForm(again))
        bike.refresh_from_db()
        assert bike.price == 12

    @pytest.mark.django_db(transaction=True)
    def test_of_two_at_the_same_instant_one_is_asked(self, root, monkeypatch):
        make_product("自行车")
        offices = [logged_in(root.user) for _ in range(2)]
        forms = [self.opened(office) for office in offices]
        meet_at(monkeypatch, "shop.admin.catalogue.ProductAdmin.save_model")
        calls = [partial(self.save, *pair, form_0_price=price) for *pair, price in zip(offices, forms, ("8", "7"))]

        assert sorted(answer.status_code for answer in at_once(calls)) == [200, 302]

    def test_what_is_off_sale_or_not_to_be_changed_cannot_be_typed_in(self, office, person):
        for name in ("旧", "下架", "新"):
            make_product(name, stock=5)
        form = self.opened(office)
        gone = Product.objects.filter(name="下架")
        gone.update(removed_at=timezone.now())

        messages = self.save(office, form, form_1_stock="9", form_1_price="1")

        assert "同事刚下架了这件商品" in messages.content.decode()
        assert self.save(office, PageForm(messages), form_0_price="3").status_code == 302
        assert gone.filter(stock=5, price="9.90").exists()
        page = office.get(self.LIST)
        assert [row.name for row in page.context["cl"].result_list] == ["新", "旧", "下架"]
        rows = page.context["cl"].formset.forms
        assert [row.fields["price"].disabled + row.fields["stock"].disabled for row in rows] == [0, 0, 2]
