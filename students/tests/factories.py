"""Students for tests: everything has a default, what a test is about is named."""

from typing import Any

from students.columns import BY_WIRE
from students.models import Student

FIELDS = {
    "class": "H51901",
    "name": "谭鹏",
    "age": "21",
    "city": "重庆",
    "degree": "专科",
    "productUrl": "地址",
    "description": "O(∩_∩)O哈哈~",
}
"""What a client posts to add a student."""


def student(**fields):
    """A student that is not saved yet."""
    defaults: dict[str, Any] = {BY_WIRE[wire].field: value for wire, value in FIELDS.items()}
    return Student(**defaults | {"age": 21} | fields)


def students(*names, **fields):
    """Save one student per name, in one statement."""
    return Student.objects.bulk_create([student(name=name, **fields) for name in names])
