"""The page of an order tells first what happened last and who did it; lists show first what is on sale."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from shop.models import OrderLog, Product
from shop.tests.factories import make_order, make_product

pytestmark = pytest.mark.django_db


def lines_of(page):
    timeline = page.partition('<ol class="bo-timeline">')[2].partition("</ol>")[0]
    return [re.sub(r"<[^>]+>", " ", line) for line in timeline.split("<li>")[1:]]


def test_the_log_begins_with_the_newest_and_names_people(office, person):
    li = person("li").user
    User.objects.filter(username="root").update(nickname="张老师")
    User.objects.filter(username="li").update(nickname="li")
    order = make_order(li)
    for actor, event in (("root", "备注一"), ("系统", "备注二")):
        OrderLog.objects.create(order=order, at=order.created_at, actor=actor, event=event, to_state=order.state)

    lines = lines_of(office.get(f"/admin/shop/order/{order.pk}/change/").content.decode())

    assert [event in line for line, event in zip(lines, ("备注二", "备注一", "下单"), strict=True)] == [True] * 3
    assert "系统" in lines[0] and "张老师（root）" in lines[1] and "· li " in lines[2] and "（li）" not in lines[2]


def test_a_long_log_asks_for_the_names_once(office, person):
    order = make_order(person("li").user)
    address = f"/admin/shop/order/{order.pk}/change/"
    office.get(address)
    with CaptureQueriesContext(connection) as few:
        office.get(address)
    for n in range(30):
        OrderLog.objects.create(order=order, at=order.created_at, actor=f"u{n}", event="x", to_state=order.state)

    with CaptureQueriesContext(connection) as many:
        office.get(address)

    assert len(many) == len(few)


def test_what_is_off_sale_comes_last(office):
    names = ["旧", "下架", "新"]
    for name in names:
        make_product(name)
    Product.objects.filter(name="下架").update(removed_at="2026-11-01T00:00:00Z")

    shown = [row.name for row in office.get("/admin/shop/product/").context["cl"].result_list]

    assert shown == ["新", "旧", "下架"]
