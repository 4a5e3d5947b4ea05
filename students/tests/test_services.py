"""Archived students are in no list or call and come back whole; many are changed at once, and changed back."""

from functools import partial

import pytest
from auditlog.models import LogEntry
from django.utils import timezone

from accounts.models import User
from core.audit import StaffAction
from core.errors import NotPermitted
from core.ids import mark_of
from permissions.models import DataScope
from permissions.scope import Scope
from students.counts import class_counts, counts_wrong
from students.errors import NotArchived, NumberTaken, SelectionChanged, StudentUnknown
from students.models import ArchivedStudent, RowKind, RunState, Student, TransferRun
from students.recorded_changes import edit_mark, students_edit, students_state_set
from students.services import student_edit, student_restore, students_archive
from students.tests.factories import student, students
from students.tests.transfers import LIST, page_of, put_aside, question, text_of, worked
from tests.kit import at_once, encoded, logged_in, posted, posted_of
from uploads.models import ImageUse, Upload

pytestmark = pytest.mark.django_db
ARCHIVE = "/admin/students/archivedstudent/"


def test_one_from_the_form_and_back(office, root, zhuguan):
    facts = {"class_name": "H1", "name": "谭鹏", "age": "21", "city": "a", "degree": "b"}
    office.post(f"{LIST}add/", facts | {"picture": posted(encoded())})
    row = Student.objects.get()
    before = Student.objects.values().get()

    page = office.get(f"{LIST}{row.pk}/archive/")
    assert Student.objects.exists() and "随时可以" in page.content.decode() and "谭鹏" in page.content.decode()
    answer = office.post(f"{LIST}{row.pk}/archive/", posted_of(page), follow=True)

    assert "已归档 1 名学员" in answer.content.decode() and counts_wrong() == []
    totals = [zhuguan.get(f"/students/{call}").json()["total"] for call in ("getstulist", "searchstu?key=谭")]
    assert totals == [0, 0]
    assert zhuguan.get("/students/getclasses").json()["data"] == []
    assert zhuguan.get("/students/delstu", sId=row.sid).json()["msg"] == "删除出错"
    assert zhuguan.post("/students/updatestu", {"sId": row.sid, "city": "x"}).json()["msg"] == StudentUnknown.msg
    assert ImageUse.objects.get().owner == row.owner_ref and Upload.objects.get().idle_since is None
    assert office.get(f"{LIST}{row.pk}/change/").url == f"{ARCHIVE}{row.pk}/change/"

    User.objects.filter(pk=zhuguan.user.pk).update(is_staff=True)
    pages = [who.get(f"{ARCHIVE}{row.pk}/change/").content.decode() for who in (office, logged_in(zhuguan.user))]
    assert all(row.sid in page and "归档人" in page for page in pages)
    assert [f"/admin/accounts/user/{root.user.pk}/change/" in page for page in pages] == [True, False]
    back = office.post(f"{ARCHIVE}{row.pk}/change/", {"step_restore": "1"})
    text = office.get(back.url).content.decode()

    assert "谭鹏（H1）：恢复完成<" in "".join(text.split())
    assert back.url == f"{LIST}{row.pk}/change/" and Student.objects.values().get() == before
    assert not ArchivedStudent.objects.exists() and counts_wrong() == []
    assert LogEntry.objects.get_for_object(row).filter(actor=root.user).count() == 3
    assert {"归档", "恢复归档"} <= {*office.get(f"{LIST}{row.pk}/history/").content.decode().split()}


def test_archives_a_class_of_the_list_after_asking(office, root, monkeypatch, django_assert_max_num_queries):
    students("甲", "乙", class_name="H1")
    students("丙", class_name="H2")

    page, address = question(office, "archive", **{"class": "H1"})
    assert "2 名" in page.content.decode() and Student.objects.count() == 3
    office.post(address, posted_of(page))

    entry = LogEntry.objects.get(action=StaffAction.ARCHIVE)  # one, not one for each
    assert (entry.actor, entry.object_repr) == (root.user, "2 名学员")
    assert entry.changes == {"班级": ["", "H1"], "学员": ["", "甲、乙"]}
    assert "甲、乙" in office.get("/admin/auditlog/logentry/").content.decode()
    assert class_counts() == [("H2", 1)] and counts_wrong() == []
    with django_assert_max_num_queries(12):
        assert [row.name for row in office.get(ARCHIVE, {"q": "h1"}).context["cl"].result_list] == ["乙", "甲"]
    with monkeypatch.context() as patch:
        patch.setattr("students.admin.many.MAX_EDITED", 0)
        question(office, "archive")
    assert "一次最多归档0名学员" in office.get(LIST).content.decode() and Student.objects.count() == 1
    chosen = [row.pk for row in ArchivedStudent.objects.all()]
    office.post(ARCHIVE, {"action": "restore", "_selected_action": chosen, "select_across": "0"})
    assert class_counts() == [("H1", 2), ("H2", 1)] and counts_wrong() == []


def test_a_number_that_another_student_has_by_now_is_not_given_twice(office, yuangong):
    row = students("甲")[0]
    put_aside(row)
    yuangong.user.is_staff = True
    yuangong.user.save()
    clerk = logged_in(yuangong.user)
    assert clerk.post(f"{ARCHIVE}{row.pk}/change/", {"step_restore": "1"}).status_code in {302, 403}
    assert not Student.objects.exists()  # only a user who may delete can archive
    student(name="乙", sid=row.sid).save()

    with pytest.raises(NumberTaken):
        student_restore(pk=row.pk, actor_pk=None, now=timezone.now())
    assert ArchivedStudent.objects.filter(pk=row.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_restores():
    row = students("甲")[0]
    put_aside(row)
    back = partial(student_restore, pk=row.pk, actor_pk=None, now=timezone.now())

    results = at_once([back, back], refusals=(NotArchived,))

    assert sorted(type(result).__name__ for result in results) == ["NoneType", "NotArchived"]
    assert Student.objects.count() == 1 and counts_wrong() == []


@pytest.mark.parametrize(("kind", "refusal"), [(DataScope.OWN, SelectionChanged), (DataScope.CHANGE_OWN, NotPermitted)])
def test_what_another_has_entered_is_changed_and_moved_by_no_caller(root, zhuguan, kind, refusal):
    own, others, archived = students("甲", "乙", "丙", created_by=root.user)
    Student.objects.filter(pk=own.pk).update(created_by=zhuguan.user)
    put_aside(archived)
    before, scope, now = [*Student.objects.values()], Scope(kind, zhuguan.user.pk), timezone.now()
    pks = [own.pk, others.pk]
    who = {"user_pk": None, "scope": scope, "now": now}
    facts = {"state": "suspended", "on": now.date(), "reason": "", "fate": "", "mark": mark_of(pks)}
    mark = edit_mark(Student.objects.order_by("pk"))

    for call in (
        partial(students_edit, pks=pks, values={"city": "x"}, mark=mark, **who),
        partial(students_state_set, pks=pks, **facts, **who),
    ):
        with pytest.raises(refusal):
            call()
    if scope.is_narrow:
        assert students_archive(pks=[others.pk], actor_pk=None, scope=scope, now=now) == []
    else:
        with pytest.raises(NotPermitted):
            students_archive(pks=pks, actor_pk=None, scope=scope, now=now)
    with pytest.raises(NotArchived):
        student_restore(pk=archived.pk, actor_pk=None, scope=scope, now=now)
    with pytest.raises(StudentUnknown if scope.is_narrow else NotPermitted):
        student_edit(sid=others.sid, changes={"city": "x"}, scope=scope, now=now)

    assert [*Student.objects.values()] == before and ArchivedStudent.objects.filter(pk=archived.pk).exists()


# --- The same values for many students, with one entry each in the list of changes, and the way back ---
def edited(office, page, address=LIST, **values):
    return office.post(address, posted_of(page) | values, follow=True)


def test_some_are_moved_into_a_class_and_taken_back(office, root):
    first, second = students("谭鹏", "王芳", class_name="H1")
    stays = students("韩", class_name="H2")[0]

    page, _ = question(office, "edit_many", first, second, stays)
    assert "修改 3 名学员" in page.content.decode() and "H1（2 名）、H2（1 名）" in page.content.decode()
    text = edited(office, page, class_name="h2 ").content.decode()

    assert "已修改 2 名学员，另外 1 名本来就是这样" in text and "撤销这次修改" in text
    assert set(Student.objects.values_list("class_name", flat=True)) == {"H2"} and counts_wrong() == []
    entry = LogEntry.objects.get_for_object(first).get()
    assert (entry.actor_id, entry.changes) == (root.user.pk, {"class_name": ["H1", "H2"]})
    assert not LogEntry.objects.get_for_object(stays).exists()

    student_edit(sid=second.sid, changes={"class_name": "H3"}, now=timezone.now())
    run = TransferRun.objects.get()
    office.post(page_of(run), {"do": "undo"})
    worked(run)

    assert (run.state, run.counts) == (RunState.UNDONE, {"undone": 1, "kept": 1, "unchanged": 1})
    assert dict(Student.objects.values_list("name", "class_name")) == {"谭鹏": "H1", "王芳": "H3", "韩": "H2"}
    assert run.rows.get(kind=RowKind.KEPT).errors == [["班级", "修改之后被修改过，保留现在的内容"]]
    assert "1 名学员回到修改之前" in text_of(office, run)


def test_several_fields_of_all_that_the_filter_shows(office, monkeypatch):
    students(*["谭鹏"] * 60, class_name="H1")
    students("韩", class_name="H2")

    edited(office, *question(office, "edit_many", **{"class": "H1"}), city="南京", age="３０", product_url="")

    changed = Student.objects.filter(city="南京", age=30, product_url="地址")
    assert changed.count() == 60 and not changed.filter(class_name="H2").exists()
    monkeypatch.setattr("students.admin.many.MAX_EDITED", 1)
    assert question(office, "edit_many")[0].status_code == 302
    assert "一次最多修改1名学员" in office.get(LIST).content.decode()


@pytest.mark.parametrize(
    ("values", "text"),
    [({}, "请至少填写一项"), ({"age": "151"}, "150"), ({"product_url": "javascript:x"}, "不是项目地址"),
     ({"city": "重庆"}, "没有做任何修改")],
)  # fmt: skip
def test_what_cannot_be_is_refused_and_nothing_changes(office, values, text):
    person = students("谭鹏")[0]
    before = Student.objects.values().get()

    answer = edited(office, question(office, "edit_many", person)[0], **values)

    assert text in answer.content.decode() and Student.objects.values().get() == before
    assert not TransferRun.objects.exists()


def test_it_asks_again_when_one_of_them_was_changed_after_they_were_shown(office):
    first, second = students("谭鹏", "王芳", city="重庆")
    page, _ = question(office, "edit_many", first, second)
    student_edit(sid=first.sid, changes={"city": "上海"}, now=timezone.now())

    answer = edited(office, page, city="南京")

    assert "在你确认之前变了" in answer.content.decode()
    assert set(Student.objects.values_list("city", flat=True)) == {"重庆", "上海"}
    edited(office, answer, city="南京")
    assert set(Student.objects.values_list("city", flat=True)) == {"南京"}
