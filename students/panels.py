"""What other apps show on the page of a class or of a student: they add to these lists in ``AppConfig.ready()``."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.http import HttpRequest

from students.models import SchoolClass, Student


class Panel(NamedTuple):
    title: str
    content: Any  # HTML; "" shows no panel


# After the roster and the accounts of a class, and after the account and the life of a student.
class_panels: list[Callable[[HttpRequest, SchoolClass], Panel]] = []
student_panels: list[Callable[[HttpRequest, Student], Panel]] = []
