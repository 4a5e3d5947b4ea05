"""校区: of a class, a filter of what is of classes, and a data scope of a user. A school without sees none of it."""

import csv
import io

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from accounts.services.class_accounts import Trainee, class_accounts_create
from attendance.services import session_open
from permissions.models import DataScope, Role
from permissions.scope import scope_of
from students.class_steps import class_facts, class_merge, class_rename, class_split
from students.models import SchoolClass, Student
from students.tests.factories import students
from students.tests.test_class_pages import CLASSES, class_pk, step, text_of
from students.tests.transfers import LIST, undone
from tests.kit import logged_in, save_page

pytestmark = pytest.mark.django_db
SESSIONS, FIGURES = "/admin/attendance/session/", "/admin/figures/"


@pytest.fixture
def school(root, sent_tasks):
    """Two classes of 南校区 and one of 北校区, each with a student and a session, and one of none."""
    for name, campus in (("H1", "南校区"), ("H2", "南校区"), ("H3", "北校区"), ("H4", "")):
        SchoolClass.objects.create(name=name, campus=campus)
        students(f"{name}的人", class_name=name)
        session_open(class_name=name, now=timezone.now())


def campus_of(name):
    return SchoolClass.objects.get(name=name).campus


# --- Set ---
def test_a_campus_has_one_spelling_and_those_there_are_are_suggested(office):
    SchoolClass.objects.create(name="H1")
    SchoolClass.objects.create(name="H2", campus="南校区 B")

    page = f"{CLASSES}{class_pk('H1')}/change/"
    assert '<option value="南校区 B"></option>' in text_of(office.get(page))
    assert save_page(office, page, campus=" 南校区　ｂ ").status_code == 302

    assert campus_of("H1") == "南校区 B"
    for text in ("长" * 33, "南\x00", "㍿" * 9):  # the last one becomes four times as long
        assert save_page(office, page, campus=text).status_code == 200
    assert campus_of("H1") == "南校区 B"


def test_several_classes_get_a_campus_at_once(office, school):
    chosen = {"action": "set_campus", "_selected_action": [class_pk("H3"), class_pk("H4")]}
    question = text_of(office.post(CLASSES, chosen))
    assert "2 个班级" in question and "H3、H4" in question and campus_of("H3") == "北校区"

    assert "32" in text_of(office.post(CLASSES, chosen | {"campus": "长" * 33})) and campus_of("H3") == "北校区"
    office.post(CLASSES, chosen | {"campus": "东校区"})

    assert [campus_of(name) for name in ("H1", "H2", "H3", "H4")] == ["南校区", "南校区", "东校区", "东校区"]
    changes = (
        LogEntry.objects.filter(content_type__model="schoolclass").order_by("pk").values_list("object_repr", "changes")
    )
    assert list(changes)[-2:] == [("H3", {"campus": ["北校区", "东校区"]}), ("H4", {"campus": ["", "东校区"]})]
    office.post(CLASSES, chosen | {"campus": ""})
    assert campus_of("H4") == ""
    assert "delete_selected" not in text_of(office.get(CLASSES))


# --- A filter ---
PAGES = [CLASSES, LIST, SESSIONS, FIGURES]


def test_a_school_without_campuses_sees_no_trace(office, school):
    SchoolClass.objects.update(campus="")

    pages = [text_of(office.get(page)) for page in PAGES]

    assert [text.count("校区") for text in pages] == [1, 0, 0, 0]  # the action that gives classes one
    user = User.objects.get(username="root")
    assert "校区" not in text_of(office.get(f"/admin/accounts/user/{user.pk}/change/"))


def test_lists_sheets_figures_and_files_are_of_the_campus(office, school):
    query = {"campus": "南校区"}

    assert all("校区" in text_of(office.get(page)) for page in PAGES)
    shown = [row.name for row in office.get(LIST, query).context["cl"].result_list]
    assert sorted(shown) == ["H1的人", "H2的人"]
    page = office.get(LIST, query).context
    assert page["chips"] == [("校区 南校区", "?")] and page["classes"] == ["H1", "H2"]
    assert [row.name for row in office.get(LIST, query | {"class": "H2"}).context["cl"].result_list] == ["H2的人"]
    for unknown in ("西校区", "南校区\x00x", "", "%"):
        number = 0 if unknown.strip() else 4
        assert office.get(LIST, {"campus": unknown}).context["cl"].result_count == number
        for listing in (CLASSES, SESSIONS):
            assert office.get(listing, {"campus": unknown}).context["cl"].result_count == number
    for listing in (CLASSES, SESSIONS):
        assert office.get(listing, query).context["cl"].result_count == 2
    assert list(office.get(SESSIONS, query).context["class_names"]) == ["H1", "H2"]
    for page, column in ((LIST, "班级"), (SESSIONS, "班级")):
        file = text_of(office.get(f"{page}export/", query | {"format": "csv"})).lstrip("\ufeff")
        assert sorted(row[column] for row in csv.DictReader(io.StringIO(file))) == ["H1", "H2"]
    assert str(list(LogEntry.objects.values_list("changes", flat=True))).count("campus=南校区") == 2
    paper = text_of(office.get(f"{LIST}print/", query))
    assert "H1的人" in paper and "H3的人" not in paper


def test_the_list_of_a_campus_takes_as_many_queries_as_another_filter(office, school):
    def number(**query):
        office.get(LIST, query)
        with CaptureQueriesContext(connection) as queries:
            office.get(LIST, query)
        return len(queries)

    assert number(campus="南校区") == number(city="重庆")


def test_the_figures_of_a_campus_are_of_its_classes_and_have_no_money(office, school):
    everything = {chart.key: chart for chart in office.get(FIGURES).context["charts"]}
    page = office.get(FIGURES, {"campus": "南校区"})
    charts = {chart.key: chart for chart in page.context["charts"]}

    assert sorted(charts["class"].rows) == [("H1", 1), ("H2", 1)] and charts["students"].totals[0] == 2
    assert charts.keys() == everything.keys() - {"logins", "orders", "income", "refunds", "product", "category"}
    text = text_of(page)
    assert "campus=%E5%8D%97%E6%A0%A1%E5%8C%BA&amp;file=class" in text and 'value="南校区" selected' in text
    assert all("campus=" in address for _, address, _ in page.context["shortcuts"])
    file = office.get(FIGURES, {"campus": "南校区", "file": "class"})
    assert "%E5%8D%97%E6%A0%A1%E5%8C%BA" in file["Content-Disposition"]
    assert len(office.get(FIGURES, {"campus": "西校区"}).context["charts"]) == len(everything)


# --- What becomes of it with a class ---
def test_a_class_keeps_its_campus_and_a_new_part_of_it_has_the_same(office, school):
    who = {"user_pk": None, "now": timezone.now()}
    pk = Student.objects.get(class_name="H1").pk

    split = class_split(before="H1", after="H9", pks=[pk], **who)
    assert campus_of("H9") == "南校区"
    undone(split)
    class_split(before="H1", after="H3", pks=[pk], **who)
    assert campus_of("H3") == "北校区"
    class_rename(before="H3", after="H8", mark=class_facts("H3").mark, **who)
    assert campus_of("H8") == "北校区"
    page = text_of(office.get(f"{CLASSES}{class_pk('H2')}/merge/"))
    assert "本班的校区是 南校区；并过去以后算对方班的校区" in page
    assert "H8（2 名，北校区）" in page and "H4（1 名）" in page
    class_merge(before="H2", after="H8", mark=class_facts("H2").mark, **who)
    assert (campus_of("H2"), campus_of("H8")) == ("南校区", "北校区")
    step(office, "H8", "end", on="2026-11-30", fate="keep")
    assert campus_of("H8") == "北校区"


# --- A data scope ---
@pytest.fixture
def dean(person, school):
    """Return a colleague of 南校区 with the scope 本校区 and every right on classes, students and users."""
    dean = person("dean", "103", is_staff=True)
    role = Role.objects.filter(roleid="103")
    role.update(**DataScope.CAMPUS.columns)
    models = ["schoolclass", "student", "user", "session"]
    role.get().permissions.set(Permission.objects.filter(content_type__model__in=models))
    User.objects.filter(pk=dean.user.pk).update(campus="南校区")
    return dean


def names_seen(who):
    user = User.objects.get(pk=who.user.pk)
    return sorted(Student.objects.filter(scope_of(user).visible(of=Student)).values_list("class_name", flat=True))


def test_the_classes_of_the_campus_are_in_sight_and_no_class_without_one(dean):
    assert names_seen(dean) == ["H1", "H2"]

    SchoolClass.objects.filter(name="H3").update(head_teacher=dean.user)
    assert names_seen(dean) == ["H1", "H2", "H3"]
    SchoolClass.objects.filter(name="H1").update(campus="北校区")
    assert names_seen(dean) == ["H2", "H3"]  # a class that one heads opens no campus
    User.objects.filter(pk=dean.user.pk).update(campus="")
    assert names_seen(dean) == ["H3"]
    User.objects.filter(pk=dean.user.pk).update(campus="南")  # whoever has renamed the campus
    assert names_seen(dean) == ["H3"]


def test_nobody_gets_more_classes_by_a_campus(dean):
    browser = logged_in(dean.user)
    rows = list(SchoolClass.objects.order_by("pk").values("name", "campus"))
    user_page = f"/admin/accounts/user/{dean.user.pk}/change/"

    chosen = {"action": "set_campus", "_selected_action": [class_pk("H1"), class_pk("H3")], "campus": "南校区"}
    browser.post(CLASSES, chosen)
    for name in ("H1", "H3"):
        page = f"{CLASSES}{class_pk(name)}/change/"
        assert browser.post(page, {"name": name, "state": "open", "campus": "北校区"}).status_code in {302, 403, 404}
    browser.post(f"{CLASSES}add/", {"name": "H7", "state": "open", "campus": "南校区"})
    assert save_page(browser, user_page, campus="北校区", nickname="新名").status_code == 302

    assert list(SchoolClass.objects.order_by("pk").values("name", "campus")) == rows
    user = User.objects.get(pk=dean.user.pk)
    assert (user.campus, user.nickname) == ("南校区", "新名")
    assert "北校区" not in text_of(browser.get(LIST)) + text_of(browser.get(CLASSES))


def test_no_account_of_another_campus_is_suggested_or_taken_over_by_a_link(dean):
    for class_name in ("H2", "H3"):
        class_accounts_create(class_name=class_name, trainees=[Trainee("H1的人")])
    student, browser = Student.objects.get(class_name="H1"), logged_in(dean.user)
    page = text_of(browser.get(f"{LIST}{student.pk}/change/"))
    assert 'value="h2-01"' in page and "h3-01" not in page

    def link(username):
        browser.post(f"{LIST}{student.pk}/account/", {"do": "link", "username": username})
        return Student.objects.get(pk=student.pk).account_id

    assert link("h3-01") is None
    assert link("h2-01") == User.objects.get(username="h2-01").pk


def test_root_gives_a_user_one_of_the_campuses_there_are(office, dean):
    page = f"/admin/accounts/user/{dean.user.pk}/change/"
    SchoolClass.objects.filter(campus="南校区").update(campus="东校区")

    text = " ".join(text_of(office.get(page)).split())
    assert '<option value="南校区" selected>' in text and '<option value="东校区">' in text
    assert save_page(office, page, campus="东校区").status_code == 302

    assert names_seen(dean) == ["H1", "H2"]


def test_the_classes_are_asked_once_for_a_page(dean, django_assert_num_queries):
    user = User.objects.select_related("role").get(pk=dean.user.pk)

    with django_assert_num_queries(1):
        assert scope_of(user).classes == scope_of(user).classes == {"H1", "H2"}
    user.role = Role.objects.get(roleid="102")
    assert scope_of(user).is_all
