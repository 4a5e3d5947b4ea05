"""The calls behind 数据统计: shapes for ECharts, exact numbers, and whose they are."""

from datetime import date, timedelta

import pytest
from django.utils import timezone

from accounts.models import LoginLog
from attendance.models import Period, Status
from attendance.services import record_mark, session_close, session_open
from core.times import SHANGHAI, day_begins, local
from payments.models import Refund, RefundStatus
from permissions.models import DataScope, Role
from permissions.scope import EVERYTHING, Scope
from permissions.services.roles import role_scoped
from shop.models import Order, OrderLine
from shop.order_states import STATUSES, State
from shop.tests.factories import make_category, make_order, make_product, start_payment
from students.services import students_archive
from students.tests.factories import students

pytestmark = pytest.mark.django_db


def chart(caller, name, **query):
    body = caller.get(f"/statistics/{name}", **query).json()
    assert (body["status"], body["state"], body["msg"]) == (200, True, "获取成功"), body
    return body["data"]


def noon(day):
    return day_begins(day) + timedelta(hours=12)


def sold(buyer, product, day=None, quantity=1, state=State.RECEIVED):
    order, day = make_order(buyer, product, quantity), day or local(timezone.now()).date()
    numbers = STATUSES[state].numbers
    Order.objects.filter(pk=order.pk).update(paid_at=noon(day), sweep_at=None, state=state, **numbers)
    return order


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("city", [("重庆", 2), ("南京", 1)]),
        ("class", [("H51901", 2), ("H51902", 1)]),
        ("degree", [("专科", 2), ("未填写", 1)]),
        ("age", [("18-20", 1), ("21-23", 1), ("30+", 1)]),
    ],
)
def test_students_are_grouped_largest_first(lbw, by, expected):
    students("谭鹏", age=20)
    students("王芳", age=21, degree="")
    students("李明", age=47, city="南京", class_name="H51902")

    assert chart(lbw, "students", by=by) == [{"name": name, "value": value} for name, value in expected]


@pytest.mark.parametrize(
    ("age", "band"), [(17, "17-"), (18, "18-20"), (23, "21-23"), (24, "24-26"), (29, "27-29"), (30, "30+")]
)
def test_an_age_is_in_its_band(lbw, age, band):
    students("谭鹏", age=age)

    assert chart(lbw, "students", by="age") == [{"name": band, "value": 1}]


def test_months_come_in_time_and_keep_who_was_archived(lbw):
    for month, names in ((9, "甲乙"), (10, "丙"), (11, "丁戊己")):
        students(*names, created_at=noon(date(2026, month, 1)))
    students_archive(pks=[students("庚", created_at=noon(date(2026, 9, 30)))[0].pk], actor_pk=None, now=timezone.now())

    months = [("2026-09", 3), ("2026-10", 1), ("2026-11", 3)]
    assert chart(lbw, "students", by="month") == [{"name": name, "value": value} for name, value in months]
    assert chart(lbw, "students", by="month", limit=1)[0] == {"name": "2026-11", "value": 3}


def test_what_is_beyond_the_limit_is_one_row(lbw):
    for number in range(3):
        students(*["甲"] * (3 - number), city=f"城{number}")

    rows = chart(lbw, "students", limit="1")

    assert rows == [{"name": "城0", "value": 3}, {"name": "其他", "value": 3}]


def test_a_trend_has_every_day_and_every_series_asked_for(lbw, roles, today):
    first = today - timedelta(days=2)
    here, gone = students("谭鹏", "王芳", created_at=noon(first))
    students_archive(pks=[gone.pk], actor_pk=None, now=timezone.now())
    LoginLog.objects.create(user=lbw.user, username="lbw", logged_in_at=noon(first))
    product = make_product(price="9.99")
    sold(lbw.user, product, first, 2)
    sold(lbw.user, product, first, state=State.REFUNDED)  # gross: it counts as it was paid
    make_order(lbw.user, product)  # unpaid

    body = chart(lbw, "trend", of="students,leavers,logins,orders,income", **{"from": str(first), "to": str(today)})

    assert body["xAxis"] == [str(first + timedelta(days=n)) for n in range(3)]
    assert {line["key"]: line["data"] for line in body["series"]} == {
        "students": [2, 0, 0],
        "leavers": [0, 0, 1],
        "logins": [1, 0, 0],
        "orders": [2, 0, 0],
        "income": [29.97, 0, 0],
    }
    assert body["series"][0]["name"] == "新增学员"


def test_a_day_is_shanghais(lbw):
    midnight = day_begins(date(2026, 11, 2))
    students("前一天", created_at=midnight - timedelta(seconds=1))
    students("这一天", created_at=midnight.astimezone(SHANGHAI))

    body = chart(lbw, "trend", **{"from": "2026-11-01", "to": "2026-11-02"})

    assert body["series"][0]["data"] == [1, 1]


def test_weeks_begin_on_monday_and_months_on_the_first(lbw):
    for day in (date(2026, 10, 31), date(2026, 11, 1), date(2026, 11, 30)):
        students("谭鹏", created_at=noon(day))
    span = {"from": "2026-10-31", "to": "2026-11-30"}

    weeks = chart(lbw, "trend", unit="week", **span)
    months = chart(lbw, "trend", unit="month", **span)

    assert weeks["xAxis"] == ["2026-10-26", "2026-11-02", "2026-11-09", "2026-11-16", "2026-11-23", "2026-11-30"]
    assert weeks["series"][0]["data"] == [2, 0, 0, 0, 0, 1]
    assert (months["xAxis"], months["series"][0]["data"]) == (["2026-10-01", "2026-11-01"], [1, 2])


def test_the_trend_is_of_the_last_30_days_without_a_word(lbw, today):
    body = chart(lbw, "trend")

    assert (len(body["xAxis"]), body["xAxis"][-1]) == (30, str(today))
    assert [line["key"] for line in body["series"]] == ["students"]


def test_refunds_stand_on_the_day_of_the_refund(lbw, wechat, today):
    order = make_order(lbw.user, make_product(price="9.90"), 2)
    payment = start_payment(order)
    refund = {"payment": payment, "created_at": timezone.now(), "state": RefundStatus.SUCCESS}
    Refund.objects.create(out_refund_no="r1", amount_fen=990, accepted_at=noon(today), **refund)
    Refund.objects.create(out_refund_no="r2", amount_fen=1, **refund | {"state": RefundStatus.CLOSED})

    body = chart(lbw, "trend", of="refunds", **{"from": str(today), "to": str(today)})

    assert body["series"][0]["data"] == [9.9]


@pytest.mark.parametrize(
    ("query", "msg"),
    [
        ({"from": "2024-01-01", "to": "2026-11-30"}, "时间范围太长,最多400个点"),
        ({"from": "2026-11-02", "to": "2026-11-01"}, "from: 不能晚于to"),
        ({"from": "昨天"}, "from: 必须是日期,如 2026-11-29"),
        ({"to": "0001-01-01"}, "to: 必须是日期,如 2026-11-29"),
        ({"unit": "year"}, "unit: 只能是day、week、month"),
        ({"of": "students,x"}, "of: 只能是students、leavers、logins、orders、income、refunds、attendance,用逗号隔开"),
    ],
)
def test_a_bad_trend_is_refused_and_named(lbw, query, msg):
    body = lbw.get("/statistics/trend", **query).json()

    assert (body["status"], body["state"], body["msg"]) == (0, False, msg)


def test_400_points_are_a_chart(lbw):
    assert len(chart(lbw, "trend", **{"from": "2025-01-01", "to": "2026-02-04"})["xAxis"]) == 400
    months = {"unit": "month", "from": "2000-01-01", "to": "2033-04-30"}
    assert len(chart(lbw, "trend", **months)["xAxis"]) == 400


def test_products_and_categories_are_sold_without_what_was_refunded(lbw, today):
    food, pens = make_category("文具"), make_category("零食")
    apple, pen = make_product("苹果", price="1.50", category=pens), make_product("笔", price="2", category=food)
    sold(lbw.user, apple, quantity=3)
    part = sold(lbw.user, apple, quantity=2)
    OrderLine.objects.filter(order=part).update(refunded_quantity=1)
    sold(lbw.user, pen)
    sold(lbw.user, pen, state=State.REFUNDED)

    rows = [{"name": "苹果", "value": 4, "amount": 6}, {"name": "笔", "value": 1, "amount": 2}]
    assert chart(lbw, "products") == chart(lbw, "products", **{"from": str(today), "to": str(today)}) == rows
    assert [row["name"] for row in chart(lbw, "products", by="category")] == ["零食", "文具"]
    assert chart(lbw, "products", to=str(today - timedelta(days=1))) == []
    assert chart(lbw, "products", limit=1)[1] == {"name": "其他", "value": 1, "amount": 2}


def test_the_overview_is_of_today(lbw, today):
    students("谭鹏", created_at=noon(today))
    students("王芳", class_name="H2", created_at=noon(today) - timedelta(days=9))
    sold(lbw.user, make_product(price="1023.50"))

    data = chart(lbw, "overview")

    expected = {"students": 2, "classes": 2, "newStudents": 1, "orders": 1, "income": 1023.5, "refunds": 0}
    assert {name: data[name] for name in expected} == expected


def attended(day, period, *statuses, scope=EVERYTHING):
    """Let a class of as many students as there are statuses have a session that is over."""
    now, name = timezone.now(), f"班{day}{period}"
    pupils = students(*"甲乙丙丁戊"[: len(statuses)], class_name=name, created_by_id=scope.user_pk)
    spans = {"late_after_min": 1, "open_for_min": 9}
    session, _ = session_open(class_name=name, day=day, period=period, now=now, scope=scope, **spans)
    for pupil, status in zip(pupils, statuses, strict=True):
        if status != Status.UNSIGNED:
            record_mark(pk=session.pk, sid=pupil.sid, status=status, now=now)
    session_close(pk=session.pk, now=now)


def test_attendance_is_a_rate_and_null_on_days_without(lbw, person, roles, today):
    monday = date(2026, 11, 2)
    roles["own"] = role_scoped(roleid="102", scope=DataScope.OWN)
    li = person("li", "own")
    attended(monday, Period.MORNING, Status.PRESENT, Status.LATE, Status.UNSIGNED)
    attended(monday, Period.EVENING, Status.LEFT_EARLY, Status.ON_LEAVE)
    attended(monday + timedelta(days=2), Period.MORNING, Status.UNSIGNED, scope=Scope(DataScope.OWN, li.user.pk))
    attended(monday + timedelta(days=3), Period.MORNING, Status.ON_LEAVE)

    def rates(who, **query):
        return chart(who, "trend", of="attendance", **{"from": "2026-11-01", "to": "2026-11-05"} | query)["series"]

    assert rates(lbw) == [{"name": "出勤率", "key": "attendance", "data": [None, 0.75, None, 0.0, None]}]
    assert rates(li)[0]["data"] == [None, None, None, 0.0, None]
    assert rates(lbw, unit="week")[0]["data"] == [None, 0.6] and rates(lbw, unit="month")[0]["data"] == [0.6]
    assert chart(lbw, "overview")["attendanceRate"] is None
    attended(today, Period.MORNING, Status.PRESENT, Status.PRESENT, Status.ABSENT)
    assert chart(lbw, "overview")["attendanceRate"] == 0.6667


def test_others_than_sellers_see_their_own_orders_and_students(person, roles, lbw):
    roles["own"] = role_scoped(roleid="102", scope=DataScope.OWN)
    li = person("li", "own")
    students("谭鹏", city="别人的城")
    students("学员", city="自己的城", created_by_id=li.user.pk)
    sold(lbw.user, make_product("别人的货", price="5"))
    sold(li.user, make_product("自己的货", price="3"))

    assert chart(li, "students") == [{"name": "自己的城", "value": 1}]
    assert [row["name"] for row in chart(li, "products")] == ["自己的货"]
    overview = chart(li, "overview")
    assert (overview["students"], overview["newStudents"], overview["orders"], overview["income"]) == (1, 1, 1, 3)
    assert chart(li, "trend", of="income,refunds")["series"][0]["data"][-1] == 3
    assert len(chart(lbw, "products")) == 2
    Role.objects.filter(roleid="102").update(rows=["/statistics/*"])  # sees all students, but sells nothing
    assert [row["value"] for row in chart(lbw, "students")] == [1, 1] and len(chart(lbw, "products")) == 1


def test_each_chart_takes_one_query(lbw, django_assert_num_queries):
    chart(lbw, "overview")

    for name, query, number in (
        ("students", {"by": "month"}, 1),
        ("products", {}, 1),
        ("trend", {"of": "orders,income"}, 1),
        ("trend", {"of": "students,leavers,logins,orders,income,refunds"}, 5),
        ("trend", {"of": "attendance"}, 1),
    ):
        with django_assert_num_queries(number + 1):  # and who calls
            chart(lbw, name, **query)
