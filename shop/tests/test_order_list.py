"""The list of orders: the bar of filters, and columns that a person chooses."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from core.times import local
from shop.models import Courier, Order
from shop.tests.factories import make_order, make_product
from tests.kit import logged_in

pytestmark = pytest.mark.django_db
LIST = reverse("admin:shop_order_changelist")


@pytest.fixture
def orders(person):
    li, wang = person("li").user, person("wang").user
    bike, lamp = make_product("折叠自行车"), make_product("台灯")
    orders = {"today": make_order(li, bike, recipient="李四"), "old": make_order(wang, lamp)}
    Order.objects.filter(pk=orders["old"].pk).update(
        created_at=timezone.now() - timedelta(days=40), express_company="顺丰速运", express_no="SF1"
    )
    Courier.objects.get_or_create(name="顺丰速运")
    return orders


def shown(office, orders, query):
    found = {order.pk for order in office.get(f"{LIST}?{query}", follow=True).context["cl"].result_list}
    return {name for name, order in orders.items() if order.pk in found}


def test_each_field_of_the_bar_filters(office, orders):
    today = local(timezone.now()).date()

    assert shown(office, orders, f"created_at_from={today}&created_at_to={today}") == {"today"}
    assert shown(office, orders, "product=自行车") == {"today"}
    assert shown(office, orders, "username__startswith=wan") == {"old"}
    assert shown(office, orders, "express_company__exact=顺丰速运") == {"old"}
    assert shown(office, orders, "state__exact=open&flagged=") == {"today", "old"}
    assert shown(office, orders, "state__exact=&product=&username__startswith=") == {"today", "old"}
    assert shown(office, orders, "state__exact=paid") == set()
    page = office.get(f"{LIST}?username__startswith=li&q=x").content.decode()  # a day is one click
    assert f'href="?q=x&amp;username__startswith=li&amp;created_at_from={today}&amp;created_at_to={today}"' in page
    assert 'href="?q=x">清除' in page


def test_columns_are_chosen_for_oneself_and_for_the_export(office, person, orders):
    heads = office.get(LIST).content.decode()
    assert "收件人" in heads and ">李四<" in heads and "SF1" in heads
    chosen = {"columns": "chosen", "column": ["address", "total", "shipped_at", "nonsense"], "query": "q=x"}

    answer = office.post(reverse("admin:shop_order_views"), chosen)

    assert answer.url == f"{LIST}?q=x"
    assert office.get(LIST).context["cl"].list_display[-3:] == ["order_id", "amount", "address"]
    head = office.get(reverse("admin:shop_order_export"), {"format": "csv"}).content.decode("utf-8-sig").splitlines()[0]
    assert head == "订单号,金额（元）,发货时间,收货地址"
    assert "receiver_name" in logged_in(person("zhao", "102", is_staff=True).user).get(LIST).context["cl"].list_display
    office.post(reverse("admin:shop_order_views"), {"columns": "usual"})
    assert "receiver_name" in office.get(LIST).context["cl"].list_display
