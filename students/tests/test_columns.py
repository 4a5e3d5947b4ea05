"""Every field of a student is known everywhere it has to be. Each failure names the file to edit."""

import csv
import io

import pytest
from auditlog.models import LogEntry
from django.contrib.admin import site
from django.utils import timezone

from core.admin.exports import file_of
from core.sheets.write import sheet_write
from students.api.params import AddParams, EditParams
from students.bulk import students_delete
from students.columns import COLUMNS, EDITABLE, model_field
from students.models import RunState, Student
from students.tests.factories import student
from students.tests.transfers import checked, confirmed, undone

pytestmark = pytest.mark.django_db

COLUMN = {column.field: column for column in COLUMNS}
LATER = {"gender", "phone", "parent_phone", "id_card", "entered_on", "left_on", "remark"}
# A second value of each column, as people type it.
OTHER = {
    "class_name": "H59999",
    "name": "王芳",
    "age": "35",
    "city": "南京",
    "degree": "博士",
    "product_url": "https://example.com/other",
    "description": "脚踏实地",
}


def sample_student():
    person = student(**{name: model_field(name).to_python(COLUMN[name].sample) for name in EDITABLE})
    person.save()
    return person


def exported(kind, person):
    return file_of(site._registry[Student], lambda: [person], kind, None)


def imported(sheet):
    run = checked(sheet)
    assert run.state == RunState.READY, [row.errors for row in run.rows.all()]
    return confirmed(run)


def test_what_people_fill_in_is_a_column_with_a_second_value_here():
    fields = {field.name for field in Student._meta.concrete_fields if field.editable}

    assert fields - {"id", "headimgurl"} - LATER == set(EDITABLE), "students/columns.py: COLUMNS"
    assert set(OTHER) == set(EDITABLE), "students/tests/test_columns.py: OTHER"


@pytest.mark.parametrize("params", [AddParams, EditParams])
def test_the_calls_take_every_column_and_need_what_the_model_needs(params):
    fields = {name: field for name, field in params().fields.items() if name not in {"sId", "headimgurl"}}
    needed = {name for name in EDITABLE if COLUMN[name].is_required} if params is AddParams else set()

    module = "students/api/params.py: StudentParams"
    assert {name: field.source for name, field in fields.items()} == {COLUMN[n].wire: n for n in EDITABLE}, module
    assert {field.source for field in fields.values() if field.required} == needed, module


def test_what_is_searched_has_an_index():
    indexed = {index.fields[0].lstrip("-") for index in Student._meta.indexes if index.fields}
    indexed |= {constraint.fields[0] for constraint in Student._meta.constraints if hasattr(constraint, "fields")}

    assert {column.field for column in COLUMNS if column.is_searched} <= indexed, "students/models.py: indexes"


def test_what_a_client_posts_is_what_it_reads(zhuguan):
    form = {COLUMN[name].wire: COLUMN[name].sample for name in EDITABLE}
    sid = zhuguan.post("/students/addstu", form).json()["sId"]
    [row] = zhuguan.get("/students/getstulist").json()["data"]
    assert {wire: row.get(wire) for wire in form} == form, "students/api/rows.py: student_json"

    fields = {COLUMN[name].wire: OTHER[name] for name in EDITABLE}
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
    values = {name: getattr(new, name) for name in ("sid", *EDITABLE)}
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
    assert entry.changes == {name: [before[name], value] for name, value in values.items()}
    undone(run)
    assert Student.objects.values().get() == before
