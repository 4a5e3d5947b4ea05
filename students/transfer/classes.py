"""Moving many students into another class."""

from collections.abc import Sequence

from django.db import transaction

from students.models import Student
from students.transfer.audit import log_updated

MOST = 2_000


def students_move(*, pks: Sequence[int], class_name: str, actor_pk: int | None) -> int:
    """Put the students into the class, all or none; answer how many were not in it before."""
    with transaction.atomic():
        held = Student.objects.select_for_update(no_key=True).filter(pk__in=pks).exclude(class_name=class_name)
        moved = list(held.order_by("pk"))
        diffs = [{"class_name": [student.class_name, class_name]} for student in moved]
        Student.objects.filter(pk__in=[student.pk for student in moved]).update(class_name=class_name)
        log_updated(moved, diffs, actor_pk=actor_pk)
    return len(moved)
