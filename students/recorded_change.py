"""A change of many students that is made in the request of its person, and kept as a run that can be taken back."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from core.audit import StaffAction, action_record
from students.bulk import FieldChange, changes_dump, students_change
from students.events import events_add
from students.models import RowKind, RunKind, RunState, Student, StudentEvent, TransferRow, TransferRun
from students.run_facts import UndoNote
from students.runs import run_begin


@dataclass
class RecordedChange:
    """A run that is being written, in one transaction."""

    title: str
    user_pk: int | None
    now: datetime
    note: UndoNote = field(default_factory=UndoNote)
    kind: str = RunKind.CLASS
    rows: list[TransferRow] = field(default_factory=list)

    def change(self, students: Sequence[Student], changes: Sequence[Sequence[FieldChange]]) -> list[StudentEvent]:
        """Write the changes, and keep them in the run; return the events of moves, which :meth:`save` takes."""
        for student, of_one in zip(students, changes, strict=True):
            self.rows.append(
                TransferRow(
                    number=len(self.rows) + 1, student_pk=student.pk, diff=changes_dump(of_one),
                    kind=RowKind.CHANGED if of_one else RowKind.UNCHANGED,
                    cells={"sId": student.sid, "name": student.name, "class": student.class_name},
                )
            )  # fmt: skip
        targets = [student for student, of_one in zip(students, changes, strict=True) if of_one]
        return students_change(targets, [one for one in changes if one], actor_pk=self.user_pk, now=self.now)

    def save(self, events: Sequence[StudentEvent] = ()) -> TransferRun:
        run = run_begin(
            kind=self.kind, title=self.title[:120], state=RunState.DONE, user_pk=self.user_pk, now=self.now,
            options=self.note.dump(), counts=Counter(row.kind for row in self.rows),
        )  # fmt: skip
        for row in self.rows:
            row.run = run
        TransferRow.objects.bulk_create(self.rows)
        events_add(events, run.pk)
        if self.kind == RunKind.CLASS:
            action_record(run, StaffAction.BULK, {"班级": run.file_name}, actor_pk=self.user_pk)
        return run
