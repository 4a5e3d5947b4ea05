"""Students and their classes, and the runs that change many of them."""

from students.models.run import FilePurpose, RowKind, RunKind, RunState, TransferFile, TransferRow, TransferRun
from students.models.school_class import ClassState, SchoolClass
from students.models.student import (
    ID_CARD,
    LEFT_STATES,
    MAX_AGE,
    MIN_AGE,
    PRESENT_STATES,
    ArchivedStudent,
    EventKind,
    Gender,
    Student,
    StudentEvent,
    StudentFields,
    StudentRow,
    StudentState,
    no_script,
    student_number_new,
)

new_sid = student_number_new  # migrations name it
