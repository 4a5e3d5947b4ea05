"""数据统计: this year beside the last, groups, and who may see what."""

from datetime import date, timedelta
from io import BytesIO

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone
from openpyxl import load_workbook

from backoffice.figures import Chart
from backoffice.periods import Days
from core.times import day_begins
from permissions.models import DataScope, Role
from students.tests.factories import students
from tests.kit import logged_in

pytestmark = pytest.mark.django_db
PAGE = "/admin/figures/"
MONEY = {"orders", "income", "refunds", "product", "category"}


def charts(browser, query=""):
    return {chart.key: chart for chart in browser.get(f"{PAGE}?{query}").context["charts"]}


def test_a_year_stands_beside_the_year_before_with_one_query_for_both(office, django_assert_num_queries):
    students("谭鹏", "王芳", created_at=day_begins(date(2025, 3, 31)))
    students("李明", created_at=day_begins(date(2024, 2, 29)), city="南京", age=17)

    with django_assert_num_queries(13):  # user, campuses; five over time, four groups, two sales
        shown = charts(office, "from=2025-01-01&to=2025-12-31")

    entries = shown["students"]
    assert (entries.head, len(entries.rows)) == (["", "2025年", "2024年"], 12)
    assert entries.compared == [("2025年", 2, ""), ("2024年", 1, "↑ 100%")]
    assert entries.rows[1:3] == [("2月", 0, 1), ("3月", 2, 0)] and entries.top == 2
    assert shown["city"].rows == [("重庆", 2), ("南京", 1)]
    assert shown["age"].rows == [("17-", 1), ("21-23", 2)]  # by themselves, not by their size


def test_a_month_stands_beside_a_longer_one_and_that_of_the_year_before(office):
    students("谭鹏", created_at=day_begins(date(2026, 1, 31)))

    entries = charts(office, "from=2026-02-01&to=2026-02-28")["students"]

    assert (entries.head[1:], len(entries.rows)) == (["2026年2月", "2026年1月", "2025年2月"], 31)
    assert entries.rows[-1] == ("1/31", 0, 1, 0)


@pytest.mark.parametrize(
    ("first", "last", "label", "before"),
    [
        ("2026-11-01", "2026-11-29", "2026年11月", "2026-10-01 至 2026-10-29"),  # of the last month the same part
        ("2026-10-01", "2026-11-29", "2026年第4季", "2026-07-01 至 2026-08-29"),
        ("2026-01-01", "2026-11-29", "2026年", "2025-01-01 至 2025-11-29"),
        ("2026-09-01", "2026-10-31", "2026-09-01 至 2026-10-31", "2026-07-01 至 2026-08-31"),
        ("2026-07-01", "2026-09-30", "2026年第3季", "2026-04-01 至 2026-06-30"),
        ("2026-08-01", "2026-10-31", "2026-08-01 至 2026-10-31", "2026-05-01 至 2026-07-31"),
        ("2025-11-01", "2026-10-31", "2025-11-01 至 2026-10-31", "2024-11-01 至 2025-10-31"),
        ("2026-11-10", "2026-11-12", "2026-11-10 至 2026-11-12", "2026-11-07 至 2026-11-09"),
    ],
)
def test_any_days_are_compared_with_as_many_before(first, last, label, before):
    days = Days(date.fromisoformat(first), date.fromisoformat(last), date(2026, 11, 29))

    assert (days.label, days.before().title) == (label, before)
    assert days.before().label.endswith("同期") is days.is_open and days.year_before().first.year < days.first.year


def test_a_time_that_is_none_is_this_year(office, today):
    for query in ("from=x", "from=0000-01-01", "to=99999-01-01", "from=2026-13-01", "from=%00"):
        days = office.get(f"{PAGE}?{query}").context["days"]

        assert (days.first, days.last) == (today.replace(month=1, day=1), today), query


def test_a_table_is_sent_as_a_file(office):
    students("谭鹏", city="=1+1")

    answer = office.get(f"{PAGE}?file=city")

    rows = list(load_workbook(BytesIO(answer.content)).active.iter_rows(values_only=True))
    assert rows == [("项目", "人数"), ("'=1+1", 1), ("合计", "=SUBTOTAL(109,B2:B2)")]
    assert office.get(f"{PAGE}?file=nothing").status_code == 404


def test_a_table_shows_money_as_money(office, monkeypatch):
    chart = Chart("product", "卖出的商品", ["", "件数", "金额（元）"], [("自行车", 2, 16372.5)])
    monkeypatch.setattr("backoffice.figures.charts_of", lambda *asked: [chart])

    assert office.get(PAGE).text.count("<td>2</td><td>16,372.50</td>") == 2  # of the row, and of 合计


def test_money_is_for_who_may_see_the_income_of_all(person, roles, office):
    assert charts(office).keys() >= MONEY
    director = logged_in(person("director", "102", is_staff=True).user)
    assert charts(director).keys() >= MONEY
    Role.objects.filter(roleid="102").update(data_scope=DataScope.OWN)
    assert not charts(director).keys() & MONEY
    head = logged_in(person("head", "103", is_staff=True).user)
    assert not charts(head).keys() & MONEY and head.get(f"{PAGE}?file=income").status_code == 404


def test_only_who_may_export_is_sent_a_file_and_who_sees_no_students_nothing(person, roles):
    viewer = logged_in(person("viewer", "200", is_staff=True).user)

    assert viewer.get(PAGE).status_code == 200 and viewer.get(f"{PAGE}?file=city").status_code == 403
    roles["200"].permissions.remove(Permission.objects.get(codename="view_student"))
    assert viewer.get(PAGE).status_code == 403


def test_a_narrow_scope_counts_its_own_students(person, roles):
    Role.objects.filter(roleid="103").update(data_scope=DataScope.OWN)
    li = person("li", "103", is_staff=True).user
    students("别人的", city="隐城")
    students("自己的", created_by_id=li.pk, created_at=timezone.now() - timedelta(seconds=1))

    page = logged_in(li).get(PAGE)

    assert "隐城" not in page.text and "重庆" in page.text
