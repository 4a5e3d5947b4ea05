"""Every field of a student is known everywhere it has to be. Each failure names the file to edit."""

import csv
import io
from datetime import date
from types import SimpleNamespace

import pytest
from auditlog.models import LogEntry
from django.contrib.admin import site
from django.contrib.auth.models import Permission
from django.db import connection
from django.utils import timezone

from core.audit import MASK
from core.sheets.write import sheet_write
from runs.exports import file_of
from students.api.params import AddParams, EditParams
from students.bulk import students_delete
from students.columns import BY_WIRE, COLUMNS, EDITABLE, model_field
from students.models import RunState, Student
from students.selectors import value_matches
from students.tests.factories import student
from students.tests.transfers import checked, confirmed, put_aside, undone
from students.transfer.import_check import RowParams
from tests.kit import logged_in, save_page

pytestmark = pytest.mark.django_db

COLUMN = {column.field: column for column in COLUMNS}
# A second value of each column, as people type it.
OTHER = {
    "class_name": "H59999",
    "name": "王芳",
    "age": "35",
    "city": "南京",
    "degree": "博士",
    "product_url": "https://example.com/other",
    "description": "脚踏实地",
    "gender": "女",
    "phone": "13700137000",
    "parent_phone": "025-84300000",
    "id_card": "110105194912310021",
    "entered_on": "2026-03-01",
    "left_on": "2026-07-15",
    "remark": "走读",
}


def sample_student():
    person = student(**{name: model_field(name).to_python(COLUMN[name].sample) for name in EDITABLE})
    person.save()
    return person


EVERYTHING = SimpleNamespace(has_perm=lambda right: True)


def exported(kind, person, user=EVERYTHING):
    return file_of(site._registry[Student], lambda: [person], kind, user)


def as_logged(values):
    """The log hides the identity card."""
    return {name: MASK if name == "id_card" else value for name, value in as_json(values).items()}


def as_json(values):
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in values.items()}


def imported(sheet):
    run = checked(sheet)
    assert run.state == RunState.READY, [row.errors for row in run.rows.all()]
    return confirmed(run)


def test_what_people_fill_in_is_a_column_with_a_second_value_here():
    fields = {field.name for field in Student._meta.concrete_fields if field.editable}

    assert fields - {"id", "headimgurl"} == set(EDITABLE), "students/columns.py: COLUMNS"
    assert set(OTHER) == set(EDITABLE), "students/tests/test_columns.py: OTHER"


@pytest.mark.parametrize("params", [AddParams, EditParams, RowParams])
def test_the_calls_take_every_column_and_need_what_the_model_needs(params):
    fields = {name: field for name, field in params().fields.items() if name not in {"sId", "headimgurl"}}
    taken = [name for name in EDITABLE if not COLUMN[name].is_for_staff or params is RowParams]
    needed = {name for name in EDITABLE if COLUMN[name].is_required} if params is AddParams else set()

    module = "students/api/params.py: AddParams"
    assert {name: field.source for name, field in fields.items()} == {COLUMN[n].wire: n for n in taken}, module
    assert {field.source for field in fields.values() if field.required} == needed, module


def test_what_is_searched_has_an_index():
    indexed = {index.fields[0].lstrip("-") for index in Student._meta.indexes if index.fields}
    indexed |= {constraint.fields[0] for constraint in Student._meta.constraints if hasattr(constraint, "fields")}

    assert {column.field for column in COLUMNS if column.is_searched} <= indexed, "students/models/student.py: indexes"


def test_what_a_client_posts_is_what_it_reads(zhuguan):
    form = {column.wire: column.sample for column in COLUMNS if column.sample and not column.is_for_staff}
    sid = zhuguan.post("/students/addstu", form).json()["sId"]
    [row] = zhuguan.get("/students/getstulist").json()["data"]
    assert {wire: row.get(wire) for wire in form} == form, "students/api/rows.py: student_json"

    fields = {wire: OTHER[BY_WIRE[wire].field] for wire in form}
    zhuguan.post("/students/updatestu", fields | {"sId": sid})
    [row] = zhuguan.get("/students/getstulist").json()["data"]
    assert {wire: row.get(wire) for wire in fields} == fields


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_an_export_comes_back_as_it_is_also_after_a_deletion(kind):
    person = sample_student()
    content = exported(kind, person)

    assert imported(content).counts == {"unchanged": 1}

    students_delete([person], actor_pk=None, now=timezone.now())
    head, row = csv.reader(io.StringIO(exported("csv", person).decode("utf-8-sig"), newline=""))
    run = imported(sheet_write("csv", head, [["", *row[1:]]]))
    new = Student.objects.get()
    assert {name: getattr(new, name) for name in EDITABLE} == {name: getattr(person, name) for name in EDITABLE}, (
        "students/api/params.py: an import takes what addstu takes"
    )
    values = as_logged({name: getattr(new, name) for name in ("sid", *EDITABLE)})
    undone(run)
    added, deleted = (
        LogEntry.objects.get_for_model(Student).filter(object_pk=str(run.rows.get().student_pk)).order_by("pk")
    )
    assert added.changes == {name: [None, value] for name, value in values.items()}
    assert deleted.changes == {name: [value, None] for name, value in values.items()}


def test_an_import_changes_every_column_and_the_undo_changes_it_back():
    person = sample_student()
    before = Student.objects.values().get()
    values = {name: model_field(name).to_python(OTHER[name]) for name in EDITABLE}
    labels = [COLUMN[name].label for name in EDITABLE]

    run = imported(sheet_write("csv", ["学号", *labels], [[person.sid, *OTHER.values()]]))

    assert Student.objects.values().get() == before | values
    [row] = csv.DictReader(io.StringIO(exported("csv", Student.objects.get()).decode("utf-8-sig"), newline=""))
    assert [row[label] for label in labels] == [*OTHER.values()]
    entry = LogEntry.objects.get_for_object(person).filter(action=LogEntry.Action.UPDATE).get()
    old, new = as_logged(before), as_logged(values)
    assert entry.changes == {name: [old[name], new[name]] for name in values}
    undone(run)
    assert Student.objects.values().get() == before


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        *(("gender", "F"), ("phone", "没有"), ("idCard", "123"), ("enteredOn", "2026-02-30"), ("leftOn", "0001-01-01")),
        *(("remark", "长" * 501), ("phone", "1\x002345678"), ("idCard", "١١٠١٠٥١٩٤٩١٢٣١٠٠٢١")),
    ],
)
def test_what_is_no_value_of_a_column_is_an_error_of_its_row(root, wire, text):
    column = BY_WIRE[wire]
    run = checked(sheet_write("csv", ["学号", column.label], [[sample_student().sid, text]]))

    assert run.state == RunState.REFUSED and column.label in run.rows.get().errors[0][0]


def test_who_may_not_see_them_whole_gets_stars_on_pages_and_no_column_in_files(office, person):
    row = sample_student()
    clerk = person("clerk", "103", is_staff=True).user
    clerk.role.permissions.remove(*Permission.objects.filter(codename="phone_student"))
    whole = ("13800138000", "13900139000", "11010519491231002X")
    page = f"/admin/students/student/{row.pk}/change/"

    assert all(text in office.get(page).content.decode() for text in whole)
    browser = logged_in(clerk)
    shown = browser.get(page).content.decode()
    assert not any(text in shown for text in whole)
    assert all(text in shown for text in ("138****8000", "139****9000", "110***********002X"))
    save_page(browser, page, city="上海")
    row.refresh_from_db()
    assert (row.city, row.phone, row.id_card) == ("上海", whole[0], whole[2])
    nobody = SimpleNamespace(has_perm=lambda right: False)
    assert not any(text in exported("csv", row, nobody).decode("utf-8-sig") for text in whole)
    put_aside(row)
    shown = browser.get(f"/admin/students/archivedstudent/{row.pk}/change/").content.decode()
    assert "138****8000" in shown and not any(text in shown for text in whole)


def test_staff_finds_a_student_by_either_phone_by_an_index(office, zhuguan):
    row = sample_student()
    for phone in ("13800138000", "139 0013 9000"):
        assert row.sid in office.get(f"/admin/students/student/?q={phone}").content.decode()
    for call in ("getstulist", "searchstu"):
        answer = zhuguan.get(f"/students/{call}", key="谭")
        assert answer.json()["total"] == 1 and not any(text in answer.content.decode() for text in ("1380", "002X"))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off")  # leaves bitmaps
    plan = Student.objects.filter(value_matches("13800138000")).order_by().explain()
    assert "student_of_phone" in plan and "student_of_parent" in plan, plan
