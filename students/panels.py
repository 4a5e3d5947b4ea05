"""What other apps show on the page of a class or of a student: they register panels in their ``AppConfig.ready()``."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.http import HttpRequest

from students.models import SchoolClass, Student


class Panel(NamedTuple):
    title: str
    content: Any  # HTML; "" shows no panel


ClassPanel = Callable[[HttpRequest, SchoolClass], Panel]
StudentPanel = Callable[[HttpRequest, Student], Panel]
_of_class: list[ClassPanel] = []
_of_student: list[StudentPanel] = []


def register_class_panel(panel: ClassPanel) -> None:
    """Show what ``panel`` returns on each page of a class, after the roster and the accounts."""
    _of_class.append(panel)


def register_student_panel(panel: StudentPanel) -> None:
    """Show what ``panel`` returns on each page of a student."""
    _of_student.append(panel)


def class_panels(request: HttpRequest, school_class: SchoolClass) -> list[Panel]:
    return [make(request, school_class) for make in _of_class]


def student_panels(request: HttpRequest, student: Student) -> list[Panel]:
    return [make(request, student) for make in _of_student]
