"""Two requests at the same instant, over real connections."""

from functools import partial

import pytest

from students.counts import counts_wrong
from students.models import Student
from students.tests.factories import FIELDS, student
from tests.kit import at_once, said

pytestmark = pytest.mark.django_db(transaction=True)


def test_adds_never_share_a_number(zhuguan):
    answers = at_once([lambda: zhuguan.post("/students/addstu", FIELDS).json()] * 8)

    assert all(answer["state"] for answer in answers)
    assert len({answer["sId"] for answer in answers}) == 8
    assert counts_wrong() == []


def test_of_two_deletes_one_succeeds_and_an_edit_beside_one_leaves_no_half_student(zhuguan):
    def delete():
        return said(zhuguan.get("/students/delstu", sId="AAAA00000001"))[2]

    def edit():
        return said(zhuguan.post("/students/updatestu", {"sId": "AAAA00000001", "class": "H9"}))[2]

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
