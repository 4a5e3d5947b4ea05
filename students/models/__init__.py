"""Students, those in the archive, and the runs that change many of them."""

from students.models.student import (
    MAX_AGE,
    MIN_AGE,
    ArchivedStudent,
    Student,
    StudentFields,
    StudentRow,
    new_sid,
    no_script,
)
from students.models.transfer import TransferFile, TransferRow, TransferRun

__all__ = [
    "MAX_AGE",
    "MIN_AGE",
    "ArchivedStudent",
    "Student",
    "StudentFields",
    "StudentRow",
    "TransferFile",
    "TransferRow",
    "TransferRun",
    "new_sid",
    "no_script",
]
