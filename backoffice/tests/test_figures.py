"""数据统计: this year beside the last, groups, and who may see what."""

from datetime import timedelta
from io import BytesIO

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone
from openpyxl import load_workbook

from core.times import day_begins, local
from permissions.models import DataScope, Role
from students.tests.factories import students
from tests.kit import logged_in

pytestmark = pytest.mark.django_db
PAGE = "/admin/figures/"
TODAY = local(timezone.now()).date()
MONEY = {"orders", "income", "refunds", "product", "category"}


def charts(browser, query=""):
    return {chart.key: chart for chart in browser.get(f"{PAGE}?{query}").context["charts"]}


def test_a_year_stands_beside_the_year_before(office):
    students("谭鹏", "王芳", created_at=day_begins(TODAY))
    students("李明", created_at=day_begins(TODAY.replace(year=TODAY.year - 1, day=1)), city="南京")

    shown = charts(office)

    entries = shown["students"]
    assert (entries.head, len(entries.rows)) == (["", f"{TODAY.year}年", f"{TODAY.year - 1}年"], 12)
    assert entries.rows[TODAY.month - 1] == (f"{TODAY.month}月", 2, 1) and entries.totals == [2, 1]
    assert entries.bars[TODAY.month - 1] == (f"{TODAY.month}月", [(2, 100.0), (1, 50.0)])
    assert shown["city"].rows == [("重庆", 2), ("南京", 1)]


def test_a_month_stands_beside_a_longer_one(office):
    students("谭鹏", created_at=day_begins(TODAY.replace(year=2026, month=1, day=31)))

    entries = charts(office, "month=2026-02")["students"]

    assert (entries.head[1:], len(entries.rows)) == (["2026年2月", "2026年1月"], 31)
    assert entries.rows[-1] == ("31日", 0, 1)


@pytest.mark.parametrize("query", ["month=x", "year=0", "year=99999", "month=2026-13", "year=%00"])
def test_a_time_that_is_none_is_this_year(office, query):
    assert charts(office, query)["students"].head[1] == f"{TODAY.year}年"


def test_a_table_is_sent_as_a_file(office):
    students("谭鹏", city="=1+1")

    answer = office.get(f"{PAGE}?year={TODAY.year}&file=city")

    rows = list(load_workbook(BytesIO(answer.content)).active.iter_rows(values_only=True))
    assert rows == [("项目", "人数"), ("'=1+1", 1)]
    assert office.get(f"{PAGE}?file=nothing").status_code == 404


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

    assert "隐城" not in page.content.decode() and "重庆" in page.content.decode()
