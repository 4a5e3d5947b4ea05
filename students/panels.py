"""What other apps show on the page of a class or of a student."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.http import HttpRequest

from core.registers import Registers
from students.models import SchoolClass, Student


class Panel(NamedTuple):
    title: str
    content: Any  # HTML; "" shows no panel


# After the roster and the accounts of a class, and after the account and the life of a student.
class_panels = Registers[Callable[[HttpRequest, SchoolClass], Panel]]()
student_panels = Registers[Callable[[HttpRequest, Student], Panel]]()
