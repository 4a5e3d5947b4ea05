from datetime import timedelta

import pytest

from core import times
from demo.school import students_reset
from students.counts import counts_wrong
from students.models import Student
from students.selectors import class_list
from students.services import students_archive

pytestmark = pytest.mark.django_db


def identities():
    return {row[0]: row for row in Student.objects.values_list("sid", "pk", "created_at", "name")}


def test_makes_a_school_of_a_year():
    assert students_reset(now=times.now()) == "写入 200 名学员，6 个班"
    assert Student.objects.count() == 200
    assert class_list() == ["H51901", "H51902", "H51903", "H51904", "H51905", "H51906"]
    assert len({f"{day:%Y-%m}" for day in Student.objects.values_list("created_at", flat=True)}) >= 12


def test_a_reset_keeps_the_id_of_who_is_here_and_brings_back_who_was_deleted_or_archived():
    now = times.now()
    students_reset(now=now)
    before = identities()
    Student.objects.filter(sid="DEMO00000001").update(name="改名", age=99)
    Student.objects.filter(sid="WWLN97178546").delete()
    students_archive(pks=[Student.objects.get(sid="DEMO00000003").pk], actor_pk=None, now=now)
    mine = Student.objects.create(name="我的学员", age=21, class_name="H51901")

    students_reset(now=now + timedelta(days=3))

    after = identities()
    assert after.pop(mine.sid) and before.keys() == after.keys()
    assert before.pop("WWLN97178546")[2:] == after.pop("WWLN97178546")[2:]
    assert after == before and counts_wrong() == []
