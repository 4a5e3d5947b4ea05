"""Parcels: who gets it, who carries it, under which number; found again by each of these."""

from dataclasses import replace

import pytest
from django.db import connection
from django.utils import timezone

from shop.admin.order import OrderAdmin
from shop.models import Courier, Order
from shop.selectors import order_search, orders_found
from shop.services.order_pay import order_pay
from shop.services.order_ship import order_ship
from shop.states import ShippingStatus
from shop.tests.factories import make_order, make_product, phone_pays
from shop.tests.test_orders_desk import ORDERS, PACKING, hidden, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def paid(li, wechat):
    def make(product=None, **fields):
        order = make_order(li.user, product, **fields)
        order_pay(
            order_id=order.order_id, buyer_pk=li.user.pk, trade_type="NATIVE", client_ip="::1", now=timezone.now()
        )
        phone_pays(wechat, order.order_id)
        order.refresh_from_db()
        return order

    return make


@pytest.fixture
def shunfeng():
    return Courier.objects.get_or_create(name="顺丰速运")[0]


def ask_to_ship(office, *orders):
    data = {"press": "ship:", "_selected_action": [order.pk for order in orders]}
    return office.post(f"{ORDERS}?work=ship", data)


def parcel(order):
    order.refresh_from_db()
    return order.state, order.express_company, order.express_no


class TestShipping:
    def test_ten_parcels_leave_from_one_page_each_with_its_number(self, office, paid, shunfeng, li):
        product = make_product(stock=99)
        orders = [paid(product, recipient=f"收件人{n}", phone=f"1380000000{n}") for n in range(10)]

        asked = ask_to_ship(office, *orders)
        text = asked.content.decode()
        numbers = {f"express_no_{order.pk}": f"sf 100{n}" for n, order in enumerate(orders)}
        done = office.post(
            f"{ORDERS}?work=ship", hidden(asked) | numbers | {"express_company": "顺丰速运"}, follow=True
        )

        assert "收件人7" in text and all(f'name="{name}"' in text for name in numbers)
        assert "发货完成（10 条）" in told(done)[0]
        assert [parcel(order) for order in orders] == [("shipped", "顺丰速运", f"SF100{n}") for n in range(10)]
        row = li.get("/order/get_order", order_id=orders[3].order_id).json()["data"]
        assert (row["recipient"], row["express_company"], row["express_no"]) == ("收件人3", "顺丰速运", "SF1003")

    @pytest.mark.parametrize(
        ("courier", "number", "problem"),
        [
            ("", "SF1", "请选择快递公司"),
            ("顺丰速运", "SF<1>", "只能有字母、数字和横线"),
            ("没有的公司", "SF1", "bo-wrong"),
            ("顺丰速运", "1" * 41, "最多 40 位"),
        ],
    )
    def test_a_mistake_ships_nothing_and_forgets_nothing(self, office, paid, shunfeng, courier, number, problem):
        order, other = paid(), paid()
        asked = ask_to_ship(office, order, other)
        typed = {
            "express_company": courier,
            f"express_no_{order.pk}": number,
            f"express_no_{other.pk}": "SF777",
        }

        again = office.post(f"{ORDERS}?work=ship", hidden(asked) | typed).content.decode()

        assert problem in again and 'value="SF777"' in again
        assert parcel(order) == parcel(other) == ("paid", "", "")

    def test_one_number_scanned_for_two_receivers_is_asked_about(self, office, paid, shunfeng):
        here, there = paid(address="重庆"), paid(address="南京")
        asked = ask_to_ship(office, here, there)
        typed = {"express_company": "顺丰速运", f"express_no_{here.pk}": "SF1", f"express_no_{there.pk}": "SF1"}

        assert "是否重复扫描" in office.post(f"{ORDERS}?work=ship", hidden(asked) | typed).content.decode()
        assert parcel(here)[0] == parcel(there)[0] == "paid"

    def test_without_a_courier_is_handing_over(self, office, paid):
        order = paid()

        office.post(f"{ORDERS}?work=ship", hidden(ask_to_ship(office, order)))

        assert parcel(order) == ("shipped", "", "")

    def test_the_last_courier_is_chosen_already(self, office, paid, shunfeng):
        first, second = paid(), paid()
        office.post(f"{ORDERS}?work=ship", hidden(ask_to_ship(office, first)) | {"express_company": "顺丰速运"})

        assert 'value="顺丰速运" selected' in ask_to_ship(office, second).content.decode()

    def test_more_than_fit_on_one_page_are_refused(self, office, paid, monkeypatch):
        monkeypatch.setattr(OrderAdmin, "buttons", [replace(button, max_rows=2) for button in OrderAdmin.buttons])

        asked = office.post(
            f"{ORDERS}?work=ship", {"press": "ship:", "_selected_action": [paid().pk for _ in range(3)]}, follow=True
        )

        assert told(asked) == ["一次最多发货 2 条，请分批进行"]

    def test_a_wrong_number_is_corrected_and_the_log_keeps_the_old_one(self, office, paid, shunfeng):
        order = paid()
        facts = {"express_company": "顺丰速运", "express_no": "SF1", "actor": "root", "now": timezone.now()}
        order_ship(order_id=order.order_id, action=ShippingStatus.SHIPPED, **facts)
        Courier.objects.all().delete()  # orders keep the name
        page = f"{ORDERS}{order.pk}/change/"

        asked = office.post(page, {"step_parcel": "1"})
        office.post(page, hidden(asked) | {"express_company": "顺丰速运", "express_no": "SF2"})

        assert 'value="SF1"' in asked.content.decode()
        assert parcel(order) == ("shipped", "顺丰速运", "SF2")
        assert order.logs.last().detail == "顺丰速运 SF1 → 顺丰速运 SF2"

    def test_the_receiver_is_corrected_until_the_parcel_leaves(self, office, paid):
        order = paid(phone="13800000001", address="重庆")
        page = f"{ORDERS}{order.pk}/change/"
        typed = {"recipient": "王小明", "phone": "13800000002", "address": "南京"}

        office.post(page, hidden(office.post(page, {"step_receiver": "1"})) | typed)
        order.refresh_from_db()
        assert (order.recipient, order.phone, order.address) == ("王小明", "13800000002", "南京")
        assert order.logs.last().detail == "原为 13800000001 重庆"

        order_ship(order_id=order.order_id, action=ShippingStatus.SHIPPED, actor="root", now=timezone.now())
        sent = {"step_receiver": "1", "sure": "1", **typed, "address": "北京"}
        said = told(office.post(page, sent, follow=True))
        order.refresh_from_db()
        assert "不能再修改收货信息" in said[-1] and order.address == "南京"

    def test_the_packing_list_names_recipient_and_parcel(self, office, paid):
        order = paid(recipient="王小明")
        Order.objects.filter(pk=order.pk).update(express_company="中通快递", express_no="ZT9")

        text = office.get(PACKING, {"ids": order.pk}).content.decode()

        assert "<dd>王小明</dd>" in text and "中通快递" in text and "ZT9" in text


def test_the_couriers_are_a_list_that_staff_edit(office, paid):
    office.post("/admin/shop/courier/add/", {"name": "校园配送", "position": "1", "is_active": "on"})
    off = Courier.objects.create(name="关门快递", is_active=False)

    page = ask_to_ship(office, paid()).content.decode()

    assert "校园配送" in page and off.name not in page


@pytest.mark.parametrize("long", ["x" * 65])
def test_a_recipient_is_bounded(li, long):
    product = make_product()

    answer = li.post("/pay/pre_order", {"product_id": product.product_id, "recipient": long}).json()

    assert (answer["status"], answer["state"]) == (10010, False) and "recipient" in answer["msg"]
    assert not Order.objects.exists()


class TestSearch:
    @pytest.fixture
    def order(self, li):
        make_order(li.user, make_product("手套"), phone="13900000000", recipient="李四")
        order = make_order(li.user, make_product("折叠自行车"), phone="13800001234", recipient="王小明")
        Order.objects.filter(pk=order.pk).update(express_no="SF778899")
        return order

    @pytest.mark.parametrize("text", ["1234", "0001234", "王小", "自行车", "sf7788", "SF 778899"])
    def test_finds_what_a_caller_tells(self, office, order, text):
        assert [row.pk for row in office.get(ORDERS, {"q": text}).context["cl"].result_list] == [order.pk]

    def test_shows_the_newest_of_many_and_says_so(self, office, order, monkeypatch):
        monkeypatch.setattr("shop.admin.order.MAX_FOUND", 2)
        newer = [make_order(order.user, make_product(f"自行车{n}"), phone="13800001234") for n in range(2)]

        page = office.get(ORDERS, {"q": "1380000"})

        assert [row.pk for row in page.context["cl"].result_list] == [row.pk for row in reversed(newer)]
        assert "超过 2 个，显示最新的 2 个" in page.content.decode()
        assert "超过 2 个" not in office.get(ORDERS, {"q": "1390000"}).content.decode()

    @pytest.mark.parametrize("text", ["1234", "0001234", "王小", "自行车", "SF 778899", "li", "1"])
    def test_of_the_newest_finds_the_same(self, order, text):
        everyone = Order.objects.order_by("-pk")

        assert orders_found(everyone, text, most=9) == [row.pk for row in order_search(everyone, text)] != []
        assert orders_found(everyone.exclude(pk=order.pk), text, most=1) in ([], [order.pk - 1])

    @pytest.mark.parametrize("text", ["1234", "王小明的"])
    def test_reads_indexes_alone(self, order, text):
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off")
            plan = order_search(Order.objects.order_by("-pk"), text).explain()

        assert all(index in plan for index in ("order_phone_tail", "order_recipient", "order_express_no"))
        assert "Seq Scan on shop_order" not in plan


def test_an_empty_work_list_is_good_news_and_a_search_in_it_keeps_its_name(office):
    done = office.get(ORDERS, {"work": "ship"}).content.decode()
    found_nothing = office.get(ORDERS, {"work": "ship", "q": "13800001234"}).content.decode()

    assert "“待发货”都处理完了" in done and "?work=returns" in done
    assert "看全部“待发货”" in found_nothing and "都处理完了" not in found_nothing
