"""Each class has its row, whoever names it first; what happened to a student stands in the month it happened in."""

from datetime import date, datetime, timedelta
from importlib import import_module

import pytest
from django.db import connection

from accounts.services.class_accounts import Trainee, class_accounts_create
from core.times import SHANGHAI
from permissions.models import DataScope
from permissions.scope import Scope
from students.classes import class_get, class_rows
from students.errors import ClassUnknown
from students.events import EventKind
from students.figures import entries, entries_by_month, leavers, students_by
from students.models import ArchivedStudent, SchoolClass, Student, StudentEvent, StudentState
from students.selectors import class_list, class_roster, student_of_account
from students.services import student_edit, student_restore
from students.tests.factories import FIELDS, student, students
from students.tests.transfers import checked, confirmed, put_aside, sheet

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 29, 0, 30, tzinfo=SHANGHAI)  # the day before in UTC
OWN = Scope(DataScope.OWN, 5)


def events():
    return list(StudentEvent.objects.values_list("kind", "class_name", "is_leaving", "is_return", "detail"))


def test_a_class_appears_by_itself_whoever_names_it_and_each_move_is_written_down(zhuguan, sent_tasks):
    zhuguan.post("/students/addstu", FIELDS | {"class": "H1"})
    row = Student.objects.get()
    zhuguan.post("/students/updatestu", {"sId": row.sid, "class": "H2"})
    students("王芳", "李雷", class_name="H3")
    confirmed(checked(sheet([row.sid, "H4"], head=["学号", "班级"])))
    Student.objects.filter(name="王芳").update(class_name="H5")
    student_edit(sid=row.sid, changes={"city": "上海"}, now=NOW)

    assert zhuguan.get("/students/getclasses").json()["data"] == class_list() == ["H3", "H4", "H5"]
    assert class_get("H3").state == "open"
    assert [one.name for one in class_rows()] == ["H3", "H4", "H5"]
    assert events() == [("moved", "H2", False, False, "从 H1"), ("moved", "H4", False, False, "从 H2")]
    put_aside(row, now=NOW)
    assert [one.name for one in class_rows()] == ["H3", "H4", "H5"]


def test_the_roster_keeps_to_the_data_scope_and_can_leave_out_those_away(zhuguan):
    own = Scope(DataScope.OWN, zhuguan.user.pk)
    students("王芳", "李雷", created_by=zhuguan.user, class_name="H1")
    students("谭鹏", class_name="H1", state=StudentState.SUSPENDED)
    students("周杰", class_name="H2")

    assert [one.name for one in class_roster("H1")] == ["王芳", "李雷", "谭鹏"]
    assert [one.name for one in class_roster("H1", own)] == ["王芳", "李雷"]
    assert [one.name for one in class_roster("H1", only_studying=True)] == ["王芳", "李雷"]
    assert class_get("H1", own).name == "H1" and class_get("H2").name == "H2"
    assert [[one.name for one in class_rows(scope)] for scope in (own, Scope())] == [["H1"], ["H1", "H2"]]
    for name, scope in (("H2", own), ("H9", Scope())):
        with pytest.raises(ClassUnknown):
            class_get(name, scope)


def test_archiving_changes_no_past_month_and_counts_where_it_happened():
    first, second = students("王芳", "李雷", created_at=NOW - timedelta(days=40), created_by_id=5)
    students("谭鹏", created_at=NOW)
    span = (date(2026, 9, 1), date(2026, 11, 29))

    put_aside(first, now=NOW)

    assert entries("day", *span) == {date(2026, 10, 20): 2, date(2026, 11, 29): 1}
    assert entries("week", *span, OWN) == {date(2026, 10, 19): 2}
    assert entries_by_month() == [("2026-10", 2), ("2026-11", 1)] and students_by("city") == [("重庆", 2)]
    assert leavers("month", *span) == leavers("month", *span, OWN) == {date(2026, 11, 1): 1}
    event = StudentEvent.objects.get()
    assert (event.student_pk, event.sid, str(event.on), event.created_by_id) == (first.pk, first.sid, "2026-11-29", 5)
    student_restore(pk=first.pk, actor_pk=None, now=NOW + timedelta(days=3))
    assert str(StudentEvent.objects.get(kind=EventKind.RESTORED).on) == "2026-12-02"
    assert events() == [("archived", "H51901", True, False, ""), ("restored", "H51901", False, True, "")]


def test_who_has_left_before_does_not_leave_again_with_the_archive():
    row = student(state=StudentState.GRADUATED)
    row.save()

    put_aside(row, now=NOW)
    student_restore(pk=row.pk, actor_pk=None, now=NOW)

    assert events() == [("archived", "H51901", False, False, ""), ("restored", "H51901", False, False, "")]


def test_the_archive_keeps_everything_but_an_account_that_another_has_by_now(root):
    row = student(phone="13800138000", id_card="11010519491231002X", state="suspended", account_id=root.user.pk)
    row.save()
    before = Student.objects.values().get()
    put_aside(row, now=NOW)
    assert student_of_account(root.user.pk) is None
    student_restore(pk=row.pk, actor_pk=None, now=NOW)
    assert Student.objects.values().get() == before and student_of_account(root.user.pk) == row

    put_aside(row, now=NOW)
    other = student(account_id=root.user.pk)
    other.save()
    student_restore(pk=row.pk, actor_pk=None, now=NOW)

    assert student_of_account(root.user.pk) == other and Student.objects.get(pk=row.pk).account_id is None


def test_the_upgrade_fills_what_is_known_and_may_run_twice(zhuguan):
    [row, gone] = students("王芳", "李雷", class_name="H1")
    slips = [Trainee("王芳", row.sid), Trainee("李雷", gone.sid)]
    class_accounts_create(class_name="H1", trainees=slips)
    Student.objects.update(account=None)
    put_aside(gone, now=NOW)
    Student.objects.update(class_name="H2")
    StudentEvent.objects.all().delete()
    SchoolClass.objects.all().delete()

    for _ in range(2):
        for operation in import_module("students.migrations.0018_fill_life").Migration.operations:
            with connection.cursor() as cursor:
                cursor.execute(operation.sql)

    assert dict(SchoolClass.objects.values_list("name", "state")) == {"H1": "ended", "H2": "open"}
    assert Student.objects.get().account.username == row.sid.lower()
    assert ArchivedStudent.objects.get().account.username == gone.sid.lower()
    assert events() == [("archived", "H1", True, False, "")] and str(StudentEvent.objects.get().on) == "2026-11-29"
