"""Add, change and delete students, put them aside, and bring them back (docs/adr/0014)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q

from accounts.services.practice_ceilings import ceiling_keep
from core import times
from core.audit import StaffAction, entry_of
from permissions.scope import EVERYTHING, Scope
from students.accounts import Fate, accounts_follow, accounts_settle
from students.bulk import students_lock
from students.classes import classes_add
from students.errors import (
    NotArchived,
    NumberTaken,
    StudentNotDeleted,
    StudentUnchanged,
    StudentUnknown,
)
from students.events import event_of, events_add, moves_of
from students.listener import tell_back, tell_gone
from students.models import ArchivedStudent, EventKind, Student, StudentFields
from uploads.services import image_adopt, image_release

_COLUMNS = ", ".join(str(field.column) for field in Student._meta.concrete_fields)
# One statement each: a student is always in exactly one of the two tables.
_PUT_ASIDE = f"""
WITH gone AS (DELETE FROM students_student WHERE id = ANY(%s) RETURNING {_COLUMNS})
INSERT INTO students_archivedstudent ({_COLUMNS}, archived_at, archived_by_id) SELECT {_COLUMNS}, %s, %s FROM gone
"""  # noqa: S608  (names of our own columns)
_BRING_BACK = f"""
WITH back AS (DELETE FROM students_archivedstudent WHERE id = %s RETURNING {_COLUMNS})
INSERT INTO students_student ({_COLUMNS}) SELECT {_COLUMNS} FROM back
"""  # noqa: S608


def student_add(*, now: datetime, scope: Scope = EVERYTHING, **fields: Any) -> Student:
    """Add a student under a new number; ``fields`` are the model's.

    :raises ClassNotOwn: ``scope`` does not let a student into this class.
    :raises CeilingReached: on a practice server, who adds has as many as an account may have.
    """
    scope.require_class(fields["class_name"])
    user_pk = fields.get("created_by_id")
    entries = Student.objects.filter(created_by=user_pk)
    with transaction.atomic():
        ceiling_keep(user_pk=user_pk, limit=settings.PRACTICE_STUDENTS, what="名学员", count=entries.count)
        student = Student.objects.create(created_at=now, **fields)
        if student.headimgurl:
            image_adopt(url=student.headimgurl, owner=student.owner_ref)
    return student


def student_edit(
    *, sid: str, changes: dict[str, Any], now: datetime, scope: Scope = EVERYTHING, by_staff: bool = False
) -> Student:
    """Set some fields of a student. A change that another person makes to the other fields at the same time is kept.

    :param by_staff: the student's account goes along to another class. No client's call moves accounts.
    :raises StudentUnknown: no student has this number, or none whom ``scope`` shows.
    :raises NotPermitted: ``scope`` shows the student, but does not allow changes, or the new class is not the caller's.
    :raises StudentUnchanged: the student has all these values already.
    """
    with transaction.atomic():
        student = scope.lock(Student.objects.filter(sid=sid), StudentUnknown)
        names = [name for name, value in changes.items() if getattr(student, name) != value]
        if not names:
            raise StudentUnchanged
        if "class_name" in names:
            scope.require_class(changes["class_name"])
        class_before = student.class_name
        for name in names:
            setattr(student, name, changes[name])
        student.save(update_fields=names)
        if "class_name" in names:
            events_add(moves_of([(student, class_before)], times.local(now).date()))
            if by_staff:
                accounts_follow([(student, class_before)])
        if "headimgurl" in names:
            image_adopt(url=student.headimgurl, owner=student.owner_ref)
    return student


def student_delete(*, sid: str, now: datetime, scope: Scope = EVERYTHING) -> None:
    """Delete a student, and let go of the picture.

    :raises StudentNotDeleted: no student has this number any more, or none whom ``scope`` shows.
    :raises NotPermitted: ``scope`` shows the student, but does not allow changes.
    """
    with transaction.atomic():
        student = scope.lock(Student.objects.filter(sid=sid), StudentNotDeleted)
        pk, owner = student.pk, student.owner_ref
        student.delete()
        image_release(owner=owner)
        tell_gone([pk], now)


def students_archive(
    *,
    pks: Sequence[int],
    actor_pk: int | None,
    now: datetime,
    fate: str = Fate.KEEP,
    scope: Scope = EVERYTHING,
    run_pk: int | None = None,
) -> list[Student]:
    """Put the students aside, all or none; return those that were still there and in sight.

    Their accounts become what ``fate`` says. An undo of the run ``run_pk`` takes back that they have left.

    They come back as they were: number, id, date, picture and history.

    :raises NotPermitted: ``scope`` shows one of them, but does not allow changes.
    """
    with transaction.atomic():
        students = list(students_lock(pks, scope).values())
        with connection.cursor() as cursor:
            cursor.execute(_PUT_ASIDE, [[student.pk for student in students], now, actor_pk])
        if students:
            classes_add(sorted({student.class_name for student in students}))  # no list of classes names them now
            facts: dict[str, Any] = {"on": times.local(now).date(), "has_left": True}
            events_add((event_of(one, EventKind.ARCHIVED, had_left=one.has_left, **facts) for one in students), run_pk)
            accounts_settle([student.account_id for student in students], fate)
            tell_gone([student.pk for student in students], now)
            _archive_note(StaffAction.ARCHIVE, students, actor_pk, now)
    return students


def student_restore(
    *, pk: int, actor_pk: int | None, now: datetime, scope: Scope = EVERYTHING, run_pk: int | None = None
) -> None:
    """Bring a student back, with ``run_pk`` for an undo of that run.

    :raises NotArchived: a colleague was quicker, or it is none whom ``scope`` lets bring back.
    :raises NumberTaken: another student has the number by now, for example from an import of old data.
    """
    with transaction.atomic():
        own = ArchivedStudent.objects.filter(scope.changeable(of=ArchivedStudent), pk=pk)
        row = own.select_for_update(no_key=True).first()
        if row is None:
            raise NotArchived
        if Student.objects.filter(Q(pk=pk) | Q(sid=row.sid)).exists():
            raise NumberTaken
        if row.account_id and Student.objects.filter(account=row.account_id).exists():
            ArchivedStudent.objects.filter(pk=pk).update(account=None)  # another student has it by now
        with connection.cursor() as cursor:
            cursor.execute(_BRING_BACK, [pk])
        today = times.local(now).date()
        events_add([event_of(row, EventKind.RESTORED, today, had_left=True, has_left=row.has_left)], run_pk)
        tell_back([pk], now)
        _archive_note(StaffAction.RESTORE, [row], actor_pk, now)


def _archive_note(action: int, students: Sequence[StudentFields], actor_pk: int | None, now: datetime) -> None:
    """Write one audit entry: of one student in its history, of a whole class with all names."""
    words = {"班级": "、".join(sorted({student.class_name for student in students}))}
    about, pk = str(students[0]), students[0].pk
    if len(students) > 1:
        words["学员"] = "、".join(student.name for student in students)
        about, pk = f"{len(students)} 名学员", None
    changes = {label: ["", text] for label, text in words.items()}
    entry_of(Student, pk, about, action, changes, actor_id=actor_pk, timestamp=now).save()
