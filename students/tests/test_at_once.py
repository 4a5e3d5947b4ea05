"""Two requests at the same instant, or one in the middle of work on many, over real connections."""

from functools import partial

import pytest
from django.utils import timezone

from core.ids import mark_of
from students.counts import counts_wrong
from students.errors import StudentUnknown
from students.models import ArchivedStudent, Student, TransferRun
from students.recorded_changes import edit_mark, students_edit
from students.services import student_edit
from students.tests.factories import student, students
from students.tests.transfers import checked, confirmed, put_aside, sheet, undone, worked
from students.transfer.deletion import deletion_start
from tests.kit import at_once, envelope, meanwhile

pytestmark = pytest.mark.django_db(transaction=True)


def test_of_two_deletes_one_succeeds_and_an_edit_beside_one_leaves_no_half_student(zhuguan):
    def delete():
        return envelope(zhuguan.get("/students/delstu", sId="AAAA00000001"))[2]

    def edit():
        return envelope(zhuguan.post("/students/updatestu", {"sId": "AAAA00000001", "class": "H9"}))[2]

    for _ in range(5):
        student(sid="AAAA00000001").save()
        assert sorted(at_once([delete, delete])) == ["删除出错", "删除成功"]

        student(sid="AAAA00000001").save()
        edited, deleted = at_once([edit, delete])
        assert deleted == "删除成功" and edited in {"更新成功", "没有该学员"}
        assert not Student.objects.exists() and counts_wrong() == []


def test_of_two_edits_neither_is_lost(zhuguan):
    changes = {"city": "南京", "degree": "本科", "name": "谭大鹏", "age": "33", "class": "H9", "description": "新"}
    student(sid="AAAA00000001").save()

    def edit(name, value):
        return zhuguan.post("/students/updatestu", {"sId": "AAAA00000001", name: value}).json()

    answers = at_once(partial(edit, *change) for change in changes.items())

    assert {answer["msg"] for answer in answers} == {"更新成功"}
    row = zhuguan.get("/students/getstulist").json()["data"][0]
    assert {name: row[name] for name in changes} == changes
    equal = at_once([lambda: edit("city", "上海")] * 2)
    assert sorted(answer["status"] for answer in equal) == [200, 304]


def imports(row):
    confirmed(checked(sheet([row.sid, "新"], head=["学号", "学历"])))


def edits(row):
    mark = edit_mark([Student.objects.get()])
    students_edit(pks=[row.pk], values={"degree": "新"}, mark=mark, user_pk=None, now=timezone.now())


def deletes(row):
    rows, now = Student.objects.all(), timezone.now()
    worked(deletion_start(students=rows, mark=mark_of(rows.values_list("pk", flat=True)), user_pk=None, now=now))


@pytest.mark.parametrize(
    ("work", "step", "kept"),
    [
        (imports, "students.transfer.import_apply.students_change", ("新", "新")),
        (edits, "students.recorded_changes.diff_between", ("新", "新")),
        (put_aside, "students.services._archive_note", ("旧", "旧")),
        (deletes, "students.transfer.deletion.students_delete", None),
    ],
)
def test_an_edit_in_the_middle_is_not_lost_or_told_that_it_came_too_late(monkeypatch, sent_tasks, work, step, kept):
    row = students("谭鹏", city="旧", degree="旧")[0]
    edit = partial(student_edit, sid=row.sid, changes={"city": "新"}, now=timezone.now())
    result = meanwhile(monkeypatch, step, edit)

    work(row)

    assert isinstance(result(), Student if kept == ("新", "新") else StudentUnknown) and counts_wrong() == []
    places = [*Student.objects.values_list("city", "degree"), *ArchivedStudent.objects.values_list("city", "degree")]
    assert places == ([kept] if kept else [])
    if not kept:
        undone(TransferRun.objects.get())
        assert Student.objects.get().city == "旧"
