"""Queries about classes that people join."""

from datetime import datetime

from django.db.models import F

from practice.models import ClassTerms, Invitation

USUAL = 30


def class_names() -> list[str]:
    """Return the classes that were opened, also those that nobody has joined yet."""
    return list(ClassTerms.objects.order_by("class_name").values_list("class_name", flat=True))


def practice_students(class_name: str) -> int:
    """Return how many practice students each trainee of a class began with; the usual number if nobody noted it."""
    number = ClassTerms.objects.filter(class_name=class_name).values_list("students", flat=True).first()
    return USUAL if number is None else number


def invitations_open(now: datetime) -> dict[str, Invitation]:
    """Return the invitation of each class that still has places, by the class."""
    rows = Invitation.objects.filter(ends_at__gt=now, joined__lt=F("places")).select_related("terms")
    return {row.terms.class_name: row for row in rows.order_by("pk")}
