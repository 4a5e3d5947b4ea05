"""An import is taken back, except for what somebody has changed since; and the audit names who did what."""

import csv
import io

import pytest
from auditlog.models import LogEntry
from django.utils import timezone

from students.counts import counts_wrong
from students.models import RowKind, RunState, Student
from students.services import student_edit
from students.tasks import transfer_work
from students.tests.factories import students
from students.tests.test_import_runs import checked, line, office, sheet
from students.transfer.runs import run_confirm, run_undo

pytestmark = pytest.mark.django_db
RUNS = "/admin/students/transferrun/"


def imported(content, user=None, confirmer=None):
    run = checked(content, user)
    run_confirm(run=run, user_pk=confirmer and confirmer.pk, now=timezone.now())
    transfer_work(run.pk)
    run.refresh_from_db()
    return run


def undone(run, user=None):
    run_undo(run=run, user_pk=user and user.pk, now=timezone.now())
    transfer_work(run.pk)
    run.refresh_from_db()
    return run


def entries(student_pk):
    found = LogEntry.objects.filter(content_type__model="student", object_pk=str(student_pk)).order_by("pk")
    return [(entry.get_action_display(), entry.actor_id) for entry in found]


def test_puts_everything_back(zhuguan):
    old = students("谭鹏", "王芳", city="重庆")
    before = list(Student.objects.order_by("pk").values())
    rows = [line(1), line(2), line(学号=old[0].sid, 姓名="谭大鹏", 城市="南京"), line(学号=old[1].sid, 姓名="王芳")]
    run = imported(sheet(*rows))

    undone(run)

    assert list(Student.objects.order_by("pk").values("pk", "name", "city")) == [
        {key: row[{"pk": "id"}.get(key, key)] for key in ("pk", "name", "city")} for row in before
    ]
    assert (run.state, run.counts.get("kept")) == (RunState.UNDONE, None) and counts_wrong() == []


def test_leaves_what_somebody_changed_since_and_lists_it(zhuguan):
    old = students("谭鹏", "王芳", "李雷", city="重庆")
    rows = [line(n) for n in (1, 2, 3)] + [line(学号=person.sid, 姓名=person.name, 城市="南京") for person in old]
    run = imported(sheet(*rows))
    new = list(Student.objects.filter(name__startswith="学员").order_by("name"))
    student_edit(sid=new[0].sid, changes={"city": "上海"})
    student_edit(sid=new[1].sid, changes={"headimgurl": "https://example.com/a.png"})
    student_edit(sid=old[0].sid, changes={"city": "广州"})
    student_edit(sid=old[1].sid, changes={"description": "与导入无关"})
    Student.objects.filter(pk=old[2].pk).delete()

    undone(run)

    assert not Student.objects.filter(pk=new[2].pk).exists()
    reasons = {row.number: row.errors[0] for row in run.rows.filter(kind=RowKind.KEPT)}
    assert reasons[2] == ["城市", "导入之后被修改过，保留现在的内容"] and reasons[3][0] == "头像"
    assert "城市" in reasons[5][0] and "自我评价" in reasons[6][0] and reasons[7] == ["学员", "导入之后已被删除"]
    old[0].refresh_from_db()
    assert old[0].city == "广州"
    browser = office(zhuguan)
    text = browser.get(f"{RUNS}{run.pk}/change/").content.decode()
    assert "5 名无法撤销" in text and "导入之后已被删除" in text
    answer = browser.get(f"{RUNS}{run.pk}/result/")
    results = [row["结果"] for row in csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))]
    assert results[2] == "已撤销" and results[0].startswith("无法撤销：城市")


def test_the_audit_names_who_confirmed_and_who_took_it_back(lbw, zhuguan, root):
    old = students("谭鹏", city="重庆")[0]

    run = imported(sheet(line(1), line(学号=old.sid, 姓名="谭鹏")), user=lbw.user, confirmer=zhuguan.user)

    new = Student.objects.get(name="学员1")
    assert entries(new.pk) == [("新增", zhuguan.user.pk)] and entries(old.pk)[-1] == ("修改", zhuguan.user.pk)

    undone(run, root.user)

    assert entries(new.pk)[-1] == ("删除", root.user.pk) and entries(old.pk)[-1] == ("修改", root.user.pk)


def test_confirming_in_the_back_office_names_the_person(lbw, zhuguan, django_capture_on_commit_callbacks):
    run = checked(sheet(line()), lbw.user)

    office(zhuguan).post(f"{RUNS}{run.pk}/change/", {"do": "confirm", "sure_new": "1"})

    run.refresh_from_db()
    assert (run.created_by, run.confirmed_by) == (lbw.user, zhuguan.user)


def test_an_import_that_is_not_done_cannot_be_taken_back(root):
    run = checked(sheet(line()))
    browser = office(root)

    browser.post(f"{RUNS}{run.pk}/change/", {"do": "undo"})

    run.refresh_from_db()
    assert run.state == RunState.READY
    assert "撤销" not in browser.get(f"{RUNS}{run.pk}/change/").content.decode().replace("不能撤销，或者已经撤销", "")
