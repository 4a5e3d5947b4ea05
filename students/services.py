"""Add, change and delete students."""

from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from permissions.scope import EVERYTHING, Scope
from students.errors import StudentNotDeleted, StudentUnchanged, StudentUnknown
from students.models import Student, new_sid
from uploads.services import image_adopt, image_release

# With a million students, one new number in 46 million is taken already. Another one is tried then.
SID_TRIES = 3


def student_add(*, now: datetime, **fields: Any) -> Student:
    """Add a student under a new number; ``fields`` are the model's, all but ``headimgurl`` required."""
    with transaction.atomic():
        student = _insert(Student(created_at=now, **fields))
        if student.headimgurl:
            image_adopt(url=student.headimgurl, owner=student.owner_ref)
    return student


def student_edit(*, sid: str, changes: dict[str, Any], scope: Scope = EVERYTHING) -> Student:
    """Set some fields of a student. A change that somebody else makes to the other fields at the same time is kept.

    :raises StudentUnknown: nobody has this number, or nobody whom ``scope`` shows.
    :raises NotPermitted: ``scope`` shows the student, but does not allow changes.
    :raises StudentUnchanged: the student has all these values already.
    """
    with transaction.atomic():
        student = _lock(sid, scope)
        if student is None:
            raise StudentUnknown
        scope.require_change(student)
        changed = [name for name, value in changes.items() if getattr(student, name) != value]
        if not changed:
            raise StudentUnchanged
        for name in changed:
            setattr(student, name, changes[name])
        student.save(update_fields=changed)
        if "headimgurl" in changed:
            image_adopt(url=student.headimgurl, owner=student.owner_ref)
    return student


def student_delete(*, sid: str, scope: Scope = EVERYTHING) -> None:
    """Delete a student, and let go of the picture.

    :raises StudentNotDeleted: nobody has this number, or no longer, or nobody whom ``scope`` shows.
    :raises NotPermitted: ``scope`` shows the student, but does not allow changes.
    """
    with transaction.atomic():
        student = _lock(sid, scope)
        if student is None:
            raise StudentNotDeleted
        scope.require_change(student)
        owner = student.owner_ref
        student.delete()
        image_release(owner=owner)


def _insert(student: Student) -> Student:
    for _ in range(SID_TRIES - 1):
        try:
            with transaction.atomic():
                student.save(force_insert=True)
            return student
        except IntegrityError as error:
            if "student_sid_is_unique" not in str(error):
                raise
            student.sid = new_sid()
    student.save(force_insert=True)
    return student


def _lock(sid: str, scope: Scope) -> Student | None:
    # The second of two requests waits here, and then reads what the first one has left.
    return Student.objects.select_for_update().filter(scope.visible(), sid=sid).first()
