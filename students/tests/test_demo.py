import pytest

from students import demo
from students.models import Student
from students.selectors import class_list

pytestmark = pytest.mark.django_db


def test_fills_an_empty_table_once():
    assert demo.seed() == "新增 200 名学员，6 个班"
    assert demo.seed() == "已有学员，保持不变"

    assert Student.objects.count() == 200
    assert class_list() == ["H51901", "H51902", "H51903", "H51904", "H51905", "H51906"]
    assert len({f"{day:%Y-%m}" for day in Student.objects.values_list("created_at", flat=True)}) >= 12
    assert Student.objects.get(sid="WWLN97178546").name == "谭鹏"


def test_does_not_bring_back_what_staff_deleted():
    demo.seed()
    Student.objects.filter(name="谭鹏").delete()

    demo.seed()

    assert not Student.objects.filter(sid="WWLN97178546").exists()
