"""Income and whole phone numbers are rights of their own: without them no page, search, file or paper tells either."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from permissions.models import Role
from shop.models import Order
from shop.states import State
from tests.kit import logged_in

pytestmark = pytest.mark.django_db
PHONE, MASKED = "13812340140", "138****0140"


@pytest.fixture(params=[True, False], ids=["with the rights", "without"])
def clerk(request: Any, roles: dict[str, Role], person: Any) -> Any:
    if not request.param:
        names = ["income_order", "phone_order", "phone_user"]
        roles["102"].permissions.remove(*Permission.objects.filter(codename__in=names))
    return logged_in(person("clerk", "102", is_staff=True).user), request.param


@pytest.fixture
def order(stock: dict[str, Any], root: Any) -> Order:
    order = Order.objects.get(state=State.PAID)
    form = {"step_receiver": "1", "sure": "1", "recipient": "王五", "address": "重庆", "phone": PHONE}
    for _ in range(2):  # the log keeps the one before
        logged_in(root.user).post(reverse("admin:shop_order_change", args=[order.pk]), form)
    return Order.objects.get(pk=order.pk)


def test_a_phone_is_whole_for_whoever_has_the_right(clerk: Any, order: Order, person: Any) -> None:
    client, has_rights = clerk
    buyer = person("buyer", "200", phone=PHONE).user
    orders = reverse("admin:shop_order_changelist")
    pages = {
        "list": orders,
        "work list": f"{orders}?work=ship",
        "by its end": f"{orders}?q=0140",
        "page": reverse("admin:shop_order_change", args=[order.pk]),
        "paper": reverse("admin:shop_order_packing") + f"?ids={order.pk}",
        "Ctrl+K": reverse("admin:search") + "?s=0140",
        "users": reverse("admin:accounts_user_changelist"),
        "user": reverse("admin:accounts_user_change", args=[buyer.pk]),
        "who did what": reverse("admin:auditlog_logentry_changelist"),
        "csv": reverse("admin:shop_order_export") + "?format=csv",
    }
    whole, masked = set(), set()
    for name, page in pages.items():
        answer = client.get(page, headers={"HX-Request": "true"} if name == "Ctrl+K" else {})
        text = b"".join(answer).decode() if answer.streaming else answer.content.decode()
        if PHONE in text:
            whole.add(name)
        if MASKED in text:
            masked.add(name)

    assert (whole, masked) == ((set(pages), set()) if has_rights else (set(), set(pages)))
    # A hidden phone stays when the rest is corrected.
    form = {"step_receiver": "1", "sure": "1", "recipient": "李四", "address": "南京"}
    client.post(pages["page"], form | {"phone": PHONE if has_rights else "1"})
    order.refresh_from_db()
    assert (order.recipient, order.phone) == ("李四", PHONE)


@pytest.mark.parametrize("query", ["q=1381", "q=40140", "phone__startswith=1381", f"phone={PHONE}"])
def test_nobody_learns_a_phone_digit_by_digit(clerk: Any, order: Order, query: str) -> None:
    client, has_rights = clerk

    page = client.get(reverse("admin:shop_order_changelist") + f"?{query}")

    found = page.status_code == 200 and order in page.context["cl"].result_list
    assert found == has_rights
    assert order in client.get(reverse("admin:shop_order_changelist") + f"?q={PHONE}").context["cl"].result_list


def test_income_is_shown_to_whoever_has_the_right(clerk: Any, stock: dict[str, Any]) -> None:
    client, has_rights = clerk

    home = client.get(reverse("admin:index")).content.decode()
    file = client.get(reverse("overview")).content.decode()
    daily = client.get(reverse("daily"))

    assert ("收入" in home, "收入" in file, daily.status_code == 200) == (has_rights,) * 3
    assert ("日报" in home) == has_rights and "待发货订单" in home
