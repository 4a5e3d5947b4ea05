"""Archived students are gone for everybody who asks for students, and come back whole."""

from functools import partial

import pytest
from auditlog.models import LogEntry
from django.utils import timezone

from core.audit import StaffAction
from students.counts import class_counts, counts_wrong
from students.errors import NotArchived, NumberTaken, StudentUnknown
from students.models import ArchivedStudent, Student
from students.services import student_restore, students_archive
from students.tests.factories import student, students
from students.tests.transfers import LIST, asked
from tests.kit import at_once, encoded, logged_in, posted, posted_of
from uploads.models import ImageUse, Upload

pytestmark = pytest.mark.django_db
ARCHIVE = "/admin/students/archivedstudent/"


def put_aside(*rows):
    return students_archive(pks=[row.pk for row in rows], actor_pk=None, now=timezone.now())


def test_one_from_the_form_and_back(office, root, zhuguan):
    facts = {"class_name": "H1", "name": "谭鹏", "age": "21", "city": "a", "degree": "b"}
    office.post(f"{LIST}add/", facts | {"picture": posted(encoded())})
    row = Student.objects.get()
    before = Student.objects.values().get()

    page = office.get(f"{LIST}{row.pk}/archive/")
    assert Student.objects.exists() and "随时可以" in page.content.decode() and "谭鹏" in page.content.decode()
    done = office.post(f"{LIST}{row.pk}/archive/", posted_of(page), follow=True)

    assert "已归档 1 名学员" in done.content.decode() and counts_wrong() == []
    totals = [zhuguan.get(f"/students/{call}").json()["total"] for call in ("getstulist", "searchstu?key=谭")]
    assert totals == [0, 0]
    assert zhuguan.get("/students/getclasses").json()["data"] == []
    assert zhuguan.get("/students/delstu", sId=row.sid).json()["msg"] == "删除出错"
    assert zhuguan.post("/students/updatestu", {"sId": row.sid, "city": "x"}).json()["msg"] == StudentUnknown.msg
    assert ImageUse.objects.get().owner == row.owner_ref and Upload.objects.get().idle_since is None
    assert office.get(f"{LIST}{row.pk}/change/").url == f"{ARCHIVE}{row.pk}/change/"

    assert row.sid in office.get(f"{ARCHIVE}{row.pk}/change/").content.decode()
    back = office.post(f"{ARCHIVE}{row.pk}/change/", {"step_restore": "1"})
    said = office.get(back.url).content.decode()

    assert "谭鹏（H1）：恢复完成<" in "".join(said.split())
    assert back.url == f"{LIST}{row.pk}/change/" and Student.objects.values().get() == before
    assert not ArchivedStudent.objects.exists() and counts_wrong() == []
    assert LogEntry.objects.get_for_object(row).filter(actor=root.user).count() == 3
    assert {"归档", "恢复归档"} <= {*office.get(f"{LIST}{row.pk}/history/").content.decode().split()}


def test_a_class_from_the_list(office, root, monkeypatch, django_assert_max_num_queries):
    students("甲", "乙", class_name="H1")
    students("丙", class_name="H2")

    page, address = asked(office, "archive", **{"class": "H1"})
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
        patch.setattr("students.admin.MAX_ARCHIVED", 0)
        asked(office, "archive")
    assert "一次最多归档0名学员" in office.get(LIST).content.decode() and Student.objects.count() == 1
    chosen = [row.pk for row in ArchivedStudent.objects.all()]
    office.post(ARCHIVE, {"action": "restore", "_selected_action": chosen, "select_across": "0"})
    assert class_counts() == [("H1", 2), ("H2", 1)] and counts_wrong() == []


def test_a_number_that_somebody_else_has_by_now_is_not_given_twice(office, yuangong):
    row = students("甲")[0]
    put_aside(row)
    yuangong.user.is_staff = True
    yuangong.user.save()
    clerk = logged_in(yuangong.user)
    assert clerk.post(f"{ARCHIVE}{row.pk}/change/", {"step_restore": "1"}).status_code in {302, 403}
    assert not Student.objects.exists()  # who may delete moves students, nobody else
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
