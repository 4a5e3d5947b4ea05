"""Queries about classes that people join."""

from datetime import datetime

from django.db.models import F

from practice.models import ClassTerms, Invitation


def class_names() -> list[str]:
    """Return the classes that were opened, also those that nobody has joined yet."""
    return list(ClassTerms.objects.order_by("class_name").values_list("class_name", flat=True))


def invitations_open(now: datetime) -> dict[str, Invitation]:
    """Return the invitation of each class that still has places, by the class."""
    rows = Invitation.objects.filter(ends_at__gt=now, joined__lt=F("places")).select_related("terms")
    return {row.terms.class_name: row for row in rows.order_by("pk")}
