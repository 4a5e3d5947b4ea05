"""A caller of the API can neither fill the trail of changes nor hide in it."""

import pytest
from auditlog.models import LogEntry

from core import audit
from permissions.models import Role
from shop.models import Category
from students.models import Student
from students.tests.factories import student as unsaved

pytestmark = pytest.mark.django_db


def make_student() -> Student:
    student = unsaved(name="王芳")
    student.save()
    return student


def edit(caller, student, **fields):
    return caller.post("/students/updatestu", {"sId": student.sid} | fields)


def test_a_burst_of_the_same_change_is_one_entry(root, zhuguan):
    student = make_student()
    LogEntry.objects.all().delete()

    for name in ("甲", "乙", "丙"):
        assert edit(root, student, name=name).json()["state"] is True
    edit(root, student, city="南京")
    edit(zhuguan, student, name="丁")

    entries = [(entry.actor.username, entry.changes) for entry in LogEntry.objects.order_by("pk")]
    assert [(actor, changes.get("name")) for actor, changes in entries] == [
        ("root", ["王芳", "丙"]),
        ("root", None),
        ("zhuguan", ["丙", "丁"]),
    ]


def test_after_too_many_changes_nothing_is_written_for_a_while(root, zhuguan, monkeypatch):
    monkeypatch.setattr(audit, "MAX_ENTRIES", {"minute": (3, 60)})
    student = make_student()
    refused = [edit(root, student, name=f"名{number}").status_code for number in range(5)]

    assert refused == [200, 200, 200, 429, 429]
    assert Student.objects.get().name == "名2"
    assert edit(zhuguan, student, name="别人").status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "model"),
    [
        ("/category/addCategory", {"categoryName": "车"}, Category),
        ("/permission/addrole", {"roleid": "9"}, Role),
        ("/students/delstu", {}, Student),
    ],
)
def test_what_is_refused_has_not_happened(root, monkeypatch, path, body, model):
    monkeypatch.setattr(audit, "MAX_ENTRIES", {"minute": (0, 60)})
    sid = make_student().sid
    before = model.objects.count()

    answer = root.get(path, sId=sid) if "del" in path else root.post(path, body)

    assert (answer.status_code, answer.json()["status"]) == (429, 429)
    assert model.objects.count() == before


def test_changes_are_made_without_valkey(root, valkey_down):
    assert edit(root, make_student(), name="甲").json()["state"] is True
