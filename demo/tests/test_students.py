from datetime import timedelta

import pytest

from core import times
from demo.students import students_reset, students_seed
from students.models import Student
from students.selectors import class_list
from students.services import students_archive

pytestmark = pytest.mark.django_db


def identities():
    return {row[0]: row for row in Student.objects.values_list("sid", "pk", "created_at", "name")}


def test_fills_an_empty_table_once():
    assert students_seed(now=times.now()) == "新增 200 名学员，6 个班"
    assert Student.objects.count() == 200
    assert class_list() == ["H51901", "H51902", "H51903", "H51904", "H51905", "H51906"]
    assert len({f"{day:%Y-%m}" for day in Student.objects.values_list("created_at", flat=True)}) >= 12
    Student.objects.filter(sid="WWLN97178546", name="谭鹏").get().delete()
    assert students_seed(now=times.now()) == "已有学员，保持不变"
    assert Student.objects.count() == 199  # what staff deleted does not come back


def test_a_reset_keeps_every_id_also_of_changed_deleted_and_archived_students():
    now = times.now()
    students_seed(now=now)
    before = identities()
    Student.objects.filter(sid="DEMO00000001").update(name="改名", age=99)
    Student.objects.filter(sid__in=["WWLN97178546", "DEMO00000002"]).delete()
    students_archive(pks=[Student.objects.get(sid="DEMO00000003").pk], actor_pk=None, now=now)
    mine = Student.objects.create(name="我的学员", age=21, class_name="H51901")

    students_reset(now=now + timedelta(days=3))

    after = identities()
    assert after.pop(mine.sid)
    assert after == before
    # A key that another student has by now stays with that one.
    gone = Student.objects.get(sid="DEMO00000002")
    pk = gone.pk
    gone.delete()
    other = Student.objects.create(pk=pk, name="插班生", age=21, class_name="H51901")
    students_reset(now=now)
    other.refresh_from_db()
    assert other.name == "插班生" and Student.objects.filter(sid="DEMO00000002").exclude(pk=pk).exists()
