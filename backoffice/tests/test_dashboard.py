"""The first page: right numbers, each leading to the rows behind it, few queries, and nothing outside the role."""

import re
import time
from datetime import datetime

import pytest
from celery import current_app
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from backoffice.periods import period_of
from core import tasks
from core.observe import heartbeat
from core.times import SHANGHAI
from payments.models import InboundEvent, Refund
from permissions.models import DataScope, Role
from shop.admin.order_steps import WORK_LISTS
from shop.models import Order
from students.models import SchoolClass, Student
from students.tests.factories import students

pytestmark = pytest.mark.django_db
HOME = "/admin/"


def tiles(client):
    return {tile.label: tile for tile in client.get(HOME).context["tiles"]}


def panels(client):
    return {panel.title: panel for panel in client.get(HOME).context["panels"]}


def test_each_number_is_counted_with_few_questions_and_leads_like_each_bar_to_the_rows_behind_it(
    office, stock, django_assert_num_queries, settings
):
    settings.CLASS_CAPACITY = 4
    SchoolClass.objects.create(name="H51901", capacity=5)

    by_label = tiles(office)

    assert {label: str(tile.value) for label, tile in by_label.items()} == {
        "待付款": "1", "待发货": "2", "待处理退货": "2", "退款异常": "1", "处理中的退款": "1",
        "对账差异": "0", "失败的支付通知": "1", "库存不足的商品": "1", "学员": "3",
        "今天订单": "13", "今天收入（元）": "75.00", "今天退款（元，1 笔）": "12.50", "今天新增学员": "3",
    }  # fmt: skip
    # User; orders 5, refunds 3 (also by day), differences, notices, products, students 7
    # (totals 3, days, classes 3).
    with django_assert_num_queries(21):
        charts = panels(office)
    classes = charts["各班学员"]
    assert [(row.label, row.number, row.mark) for row in classes.rows] == [("H51900", 2, "/4"), ("H51901", 1, "/5")]
    assert classes.full == 5
    assert {label for label, tile in by_label.items() if tile.spark} == {label for label in by_label if "今天" in label}
    sums = {"今天收入（元）": 6, "今天退款（元，1 笔）": 1}
    for label, tile in by_label.items():
        rows = office.get(tile.link).context["cl"].result_list
        assert len(rows) == (sums[label] if label in sums else int(tile.value)), label
    Student.objects.filter(name="李四0").update(state="withdrawn")
    bars = panels(office)["各班学员"].rows
    assert [(bar.label, bar.number) for bar in bars] == [("H51900", 1), ("H51901", 1)]
    for bar in bars:
        assert len(office.get(bar.link).context["cl"].result_list) == bar.number, bar
    Student.objects.filter(class_name="H51901").update(state="withdrawn")
    classes = panels(office)["各班学员"]
    assert [bar.label for bar in classes.rows] == ["H51900"]
    assert classes.full == 4, "a class that all have left counts for nothing"


def test_students_that_trainees_have_entered_to_practise_are_in_no_figure_of_the_school(office, person, settings):
    trainee, teacher = person("trainee", "102", class_name="前端班").user, person("teacher", "102", is_staff=True).user
    students("谭鹏")
    students("王芳", created_by=teacher, class_name="H51902")
    students("李练", "王练", created_by=trainee, state="withdrawn")
    students("赵练", created_by=trainee, class_name="练习1班")

    by_label, classes = tiles(office), panels(office)["各班学员"].rows
    total, new = by_label["学员"], by_label["今天新增学员"]
    assert (total.value, new.value) == ("2", "2")
    assert "学员 <b>2</b> 不含学员账号练习录入的 3 名" in office.get(HOME).text
    assert {bar.label: bar.number for bar in classes} == {"H51901": 1, "H51902": 1}
    for link, number in ((total.link, 2), (new.link, 2), *((bar.link, 1) for bar in classes)):
        assert len(office.get(link).context["cl"].result_list) == number
    charts = {chart.key: chart for chart in office.get("/admin/figures/").context["charts"]}
    assert charts["class"].rows == [("H51901", 1), ("H51902", 1)] and charts["students"].totals[0] == 2
    assert len(office.get("/admin/students/student/?entered=学员练习的").context["cl"].result_list) == 3

    assert "练习1班" not in office.get("/admin/students/schoolclass/").text

    settings.PRACTICE = True
    assert tiles(office)["学员"].value == "5" and not tiles(office)["学员"].hint


class TestPeriods:
    @pytest.mark.parametrize(
        ("name", "begins", "last_begins", "last_ends"),
        [
            ("today", (3, 4, 0), (3, 3, 0), (3, 3, 12)),
            ("week", (3, 2, 0), (2, 23, 0), (2, 25, 12)),
            ("month", (3, 1, 0), (2, 1, 0), (2, 4, 12)),
        ],
    )
    def test_are_compared_with_the_same_part_of_the_one_before(self, name, begins, last_begins, last_ends):
        period = period_of(name, datetime(2026, 3, 4, 12, tzinfo=SHANGHAI))  # a Wednesday

        expected = [datetime(2026, *moment, tzinfo=SHANGHAI) for moment in (begins, last_begins, last_ends)]
        assert [period.begins, period.last_begins, period.last_ends] == expected
        shorter = period_of("month", datetime(2026, 3, 31, 12, tzinfo=SHANGHAI))
        assert shorter.last_ends == shorter.begins  # no day counts twice

    def test_sum_up_this_week_beside_the_last(self, office, stock):
        now = timezone.localtime()
        Order.objects.update(created_at=period_of("week", now).last_begins)
        Refund.objects.update(created_at=period_of("week", now).last_begins)

        cards = {tile.label: tile for tile in office.get(f"{HOME}?period=week").context["tiles"]}

        assert (cards["本周订单"].value, cards["本周订单"].hint) == ("0", "上周同期 13 ↓ 100%")
        assert cards["本周收入（元）"].hint == "上周同期 75.00 ↓ 100%"
        back = cards["本周退款（元，0 笔）"]
        assert (back.value, back.hint) == ("0.00", "上周同期 12.50 ↓ 100%")


def test_what_one_may_only_look_at_is_no_work_of_ones_own(staff, stock):
    clerk, role = staff("103"), User.objects.get(username="staff103").role

    def waits(*names):
        """Return what the first page and the menu offer to do."""
        role.permissions.set(Permission.objects.filter(codename__in=names))
        home = clerk.get(HOME).context
        works = {item["title"] for group in home["sidebar_navigation"] for item in group["items"]}
        return {tile.label for tile in home["waits"]}, works & {work.label for work in WORK_LISTS.values()}

    looks = ["view_order", "view_refund", "view_inboundevent", "view_product"]
    assert waits(*looks) == (set(), set()) and "待处理退货" not in tiles(clerk)
    assert waits(*looks, "ship_order") == ({"待发货"}, {"待发货"})
    rights = ["decide_order", "refund_order", "change_inboundevent", "change_product", "change_refund"]
    assert waits(*looks, *rights) == (
        {"待处理退货", "退款异常", "失败的支付通知", "库存不足的商品", "处理中的退款"},
        {"待处理退货", "退款处理"},
    )


def test_no_sum_of_all_buyers_is_for_who_sees_own_rows_alone(staff, stock):
    director = staff("102")
    assert "今天订单" in tiles(director) and director.get(reverse("waiting")).json()["rows"]

    Role.objects.filter(roleid="102").update(data_scope=DataScope.OWN)

    assert tiles(director).keys() == {"库存不足的商品", "学员", "今天新增学员"}
    assert director.get(reverse("waiting")).json()["rows"] == []


def test_a_failed_notification_is_red_until_staff_acknowledges_it(office, stock):
    assert tiles(office)["失败的支付通知"].tone == "danger"
    page = reverse("admin:payments_inboundevent_change", args=[stock["event"].pk])
    assert "知道了" in office.get(page).text

    office.post(page, {"step_acknowledge": "1", "sure": "1"})

    tile = tiles(office)["失败的支付通知"]
    assert (tile.value, tile.tone) == (0, "")
    stock["event"].refresh_from_db()
    assert stock["event"].acknowledged_by == "root"
    assert "知道了" not in office.get(page).text
    InboundEvent.objects.update(verdict="refused", is_genuine=False, acknowledged_by="")
    assert tiles(office)["失败的支付通知"].value == 0  # a stranger has forged it


def test_metrics_tell_what_waits(client, stock):
    heartbeat.record("money", time.time() - 5)
    current_app.control.purge()  # other tests leave tasks that no worker takes
    tasks.heartbeat.delay("now")

    text = client.get("/metrics", REMOTE_ADDR="127.0.0.1").text

    figures = dict(re.findall(r"^(spms_\S+) (\S+)$", text, re.MULTILINE))
    assert figures['spms_orders{state="preparing"}'] == "1.0"
    assert figures['spms_notifications_24h{verdict="failed"}'] == "1.0"
    assert [figures[f'spms_queue_depth{{queue="{queue}"}}'] for queue in ("money", "now")] == ["0.0", "1.0"]
    assert figures["spms_sockets"] == "0.0"
    assert 5 <= float(figures['spms_heartbeat_age_seconds{queue="money"}']) < 60
    assert 3600 <= float(figures["spms_weather_sync_age_seconds"]) < 3700


DIRECTOR = {
    "考勤", "请假",
    "宿舍房间", "学员", "批量操作记录", "用户", "角色", "登录日志", "订单", "待发货", "待处理退货", "退款处理", "商品",
    "类目", "支付单", "退款单", "对账差异", "对账记录", "通知记录", "天气记录", "天气账户", "图片", "修改记录",
    "快递公司", "已归档学员", "班级", "异常", "导出记录", "日报", "数据统计",
}  # fmt: skip
SECTIONS = {
    "1": DIRECTOR | {"课堂"},
    "102": DIRECTOR,
    "103": {"学员", "班级", "已归档学员", "批量操作记录", "宿舍房间", "数据统计", "导出记录", "考勤", "请假"},
    "200": {"学员", "班级", "已归档学员", "数据统计"},
}


@pytest.mark.parametrize("roleid", SECTIONS)
def test_a_role_finds_its_own_sections_and_no_other(office, staff, stock, roleid):
    client = office if roleid == "1" else staff(roleid)

    def sections(browser):
        items = [item for group in browser.get(HOME).context["sidebar_navigation"] for item in group["items"]]
        return {item["title"]: item["link"] for item in items if item["title"] != "首页"}

    shown, every = sections(client), sections(office)
    assert shown.keys() == SECTIONS[roleid]
    cards = {"各班学员"}
    if roleid == "102":
        cards |= {"库存最少的商品"}
    assert roleid == "1" or panels(client).keys() == cards
    for title in every.keys() - shown.keys():
        assert client.get(every[title], follow=True).status_code == 403, title
    if roleid == "200":
        role = User.objects.get(username="staff200").role
        role.permissions.clear()
        assert "还没有任何后台权限" in client.get(HOME).text
        role.permissions.set([Permission.objects.get(codename="view_room")])  # a right that has no figures
        page = client.get(HOME).text
        assert "还没有任何后台权限" not in page and '<a href="/admin/dormitory/room/">宿舍房间</a>' in page
