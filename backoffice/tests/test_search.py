"""Ctrl+K finds what the user may open and nothing else, a search takes any text, and the bell tells what waits."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.urls import reverse

from accounts.models import User
from core import times
from permissions.models import DataScope, Role
from runs.models import Export
from shop.models import Order
from shop.order_states import State

pytestmark = pytest.mark.django_db
ALL_WAITING = {"待发货": 2, "待处理退货": 2, "退款异常": 1}
ORDERS, STUDENTS = "/admin/shop/order/", "/admin/students/student/"
SEARCHED = [model for model, page in admin.site._registry.items() if page.search_fields]


def hits(browser, text):
    page = browser.get(reverse("admin:search"), {"s": text, "extended": "1"})
    return {result.title: result.link for result in page.context["results"]} if page.context else {}


@pytest.fixture
def orders(stock):
    Order.objects.filter(pk=stock["orders"][State.PAID].pk).update(phone="13912345678", recipient="赵六")
    return stock


def test_finds_orders_students_users_products_and_the_menu(office, orders):
    order = orders["orders"][State.PAID]
    for text in (order.order_id, "5678", "1391234", "赵六"):  # its number, a phone, the end of one, a recipient
        assert hits(office, text)[order.order_id] == reverse("admin:shop_order_change", args=[order.pk])
    assert {"李四0", "李四1", "李四2"} <= hits(office, "李四").keys()
    assert "李四1" in hits(office, orders["students"][1].sid.lower())
    name = orders["students"][1].class_name
    assert office.get(hits(office, name.lower())[name]).context["cl"].result_count >= 1
    assert "root" in hits(office, "roo") and "手表" in hits(office, "手表")
    assert hits(office, "退")["退款单"] == reverse("admin:payments_refund_changelist")
    assert "课堂" in hits(office, "课堂")
    assert {office.get(link).status_code for text in ("李四", "手表") for link in hits(office, text).values()} == {200}


def test_each_word_may_be_found_in_another_way(office, orders):
    order, student = orders["orders"][State.PAID], orders["students"][1]
    for text in ("赵六 5678", "5678 赵六", "赵六 13912345678"):
        assert order.order_id in hits(office, text)
        assert [row.pk for row in office.get(ORDERS, {"q": text}).context["cl"].result_list] == [order.pk]
    assert not {order.order_id, "李四1"} & hits(office, "赵六 5679").keys()

    end = student.sid[-4:]  # of the number, as people say it
    for text in (f"李四 {student.class_name}", f"{student.sid} 四", f"李 {student.class_name.lower()}", f"李四 {end}"):
        assert "李四1" in hits(office, text), text
        listed = office.get(STUDENTS, {"q": text}).context["cl"].result_list
        assert student.pk in [row.pk for row in listed]
    assert not hits(office, f"王 {student.class_name}")
    assert not office.get(STUDENTS, {"q": f"王 {student.class_name}"}).context["cl"].result_list


def test_finds_what_one_can_begin_and_has_the_right_to(office, staff):
    assert hits(office, "新增学员")["新增学员"] == reverse("admin:students_student_add")
    assert hits(office, "学员 导入")["导入学员"] == reverse("admin:students_import")
    assert any(title.startswith("开班") for title in hits(office, "开班"))
    pages = [link for text in ("新增", "导入", "开班") for link in hits(office, text).values()]
    assert len(pages) > 6 and {office.get(link).status_code for link in pages} == {200}

    clerk, role = staff("103"), User.objects.get(username="staff103").role
    role.permissions.set(Permission.objects.filter(codename__in=["view_student", "add_student"]))
    assert set(hits(clerk, "新增")) == {"新增学员"} and not hits(clerk, "导入") and not hits(clerk, "开班")
    role.permissions.set(Permission.objects.filter(codename__in=["view_student"]))
    assert not hits(clerk, "新增")


def test_finds_only_what_the_role_may_see(staff, orders):
    clerk = staff("103")

    assert hits(clerk, "李四") and hits(clerk, "学员")
    assert not any(hits(clerk, text) for text in ("手表", "赵六", "root", "退款"))
    User.objects.get(username="staff103").role.permissions.clear()
    assert not hits(clerk, "李四")  # at once


def test_finds_no_colleague_for_who_sees_own_rows_alone(staff, root):
    clerk = staff("102")
    assert "root" in hits(clerk, "root")

    Role.objects.filter(roleid="102").update(data_scope=DataScope.OWN)

    assert not hits(clerk, "root")


def test_takes_any_text_and_asks_a_stranger_to_log_in(office, client, orders):
    for text in ("", " ", "\x00", "%", "_", "\\", "'", "A" * 5000, "李\ud83d\ude00"):
        query = {"s": text.encode("utf-8", "replace").decode()}
        assert office.get(reverse("admin:search"), query).status_code == 200
    assert client.get(reverse("admin:search"), {"s": "李四"}).status_code == 302


def test_of_an_endless_search_in_a_list_the_beginning_counts(office, django_assert_max_num_queries):
    for model in SEARCHED:
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")

        with django_assert_max_num_queries(60) as queries:
            assert office.get(url, {"q": "A " * 4_000}).status_code == 200, model

        assert max(len(query["sql"]) for query in queries.captured_queries) < 30_000, model


@pytest.mark.parametrize(
    "roleid, without, expected",
    [
        ("102", [], ALL_WAITING),
        ("102", ["ship_order", "refund_order"], {"待处理退货": 2}),
        ("102", ["view_order", "change_order"], {}),
        ("103", [], {}),
    ],
)
def test_tells_what_a_person_may_deal_with(staff, roles, stock, roleid, without, expected):
    roles[roleid].permissions.remove(*Permission.objects.filter(codename__in=without))

    client = staff(roleid)
    rows = client.get(reverse("waiting")).json()["rows"]

    assert {row["label"]: row["number"] for row in rows} == expected
    for row in rows:
        assert client.get(row["link"]).context["cl"].result_count >= row["number"]


def test_tells_of_ones_own_finished_exports_alone(office, staff, root):
    now = times.now()
    for state in Export.State:
        Export.objects.create(
            model="shop.order", file_name="x", created_by=root.user, created_at=now, phase_at=now, state=state
        )

    assert office.get(reverse("waiting")).json()["rows"] == [
        {"label": "导出完成", "number": 1, "link": reverse("admin:core_export_changelist")}
    ]
    assert staff("103").get(reverse("waiting")).json()["rows"] == []
