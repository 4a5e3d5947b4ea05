"""Translate `students`. They keep their numbers; one without, or with another student's, gets a new number."""

from collections.abc import Sequence

from moving.dump import Document, DocumentRefused
from moving.translation import AlreadyHere, ImportRun, Translation
from moving.values import NOT_GIVEN, Values, digits_in, known, plain_all
from students.models import MAX_AGE, MIN_AGE, Student
from students.numbers import student_number_new

SID_LENGTH = 12


def look_up(documents: Sequence[Document], _: ImportRun) -> set[str]:
    """Return the numbers that students here already have."""
    return known(Student.objects.filter(sid__in=plain_all(documents, "sId")), "sid")


def translate(values: Values, existing_sids: set[str], run: ImportRun) -> Student:
    name, class_name = values.text("name", 64), values.text("class", 64)
    if not name or not class_name:
        raise DocumentRefused("没有姓名" if not name else "没有班级")
    return Student(
        name=name,
        class_name=class_name,
        age=_age(values),
        city=values.required("city", 64),
        degree=values.required("degree", 32),
        product_url=values.address("productUrl", NOT_GIVEN),
        description=values.required("description", 2000),
        headimgurl=values.picture("headimgurl"),
        created_at=values.created(names=("cTime",)),
        sid=_sid(values, f"{class_name} {name}", existing_sids, run),
    )


def _age(values: Values) -> int:
    age = values.whole("age")
    if age is None and (age := digits_in(values.raw("age"))) is not None:
        values.fix("age 不是数字，取其中的数字", values.raw("age"))
    if age is None or not MIN_AGE <= age <= MAX_AGE:
        raise DocumentRefused(f"年龄不是 {MIN_AGE} 到 {MAX_AGE} 之间的数字")
    return age


def _sid(values: Values, who: str, existing_sids: set[str], run: ImportRun) -> str:
    sid = values.text("sId", 100)
    if not sid or len(sid) > SID_LENGTH:
        values.fix("没有可用的学号，分配新学号", sid)
        return student_number_new()
    earlier = run.claim("sId", sid, who)
    if earlier == who:
        raise DocumentRefused("与前面的文档重复：学号、班级、姓名都相同")
    if earlier is not None:
        values.fix("学号已属于前面的学员，分配新学号", f"{sid} {earlier}")
        return student_number_new()
    if sid in existing_sids:
        raise AlreadyHere
    return sid


STUDENTS = Translation("students", "学员", translate, look_up)
