"""Two hundred students of a school's year; the first is the one of the API document."""

from contextlib import suppress
from datetime import datetime, timedelta
from random import Random

from core.ids import mark_of
from core.times import SHANGHAI, local
from students.errors import StudentUnchanged
from students.invented import CITIES, DEGREES, GIVEN_NAMES, SURNAMES
from students.models import ArchivedStudent, RunKind, Student, StudentEvent, StudentState, TransferRun
from students.services import student_restore
from students.student_states import students_state_set
from uploads.services import image_release

DESCRIPTIONS = [
    "每天进步一点点",
    "O(∩_∩)O哈哈~",
    "喜欢写代码，也喜欢打篮球",
    "脚踏实地，仰望星空",
    "Talk is cheap, show me the code",
]
# How many came in the course of the year, and in each of the last weeks' classes.
OF_THE_YEAR = {"H51901": 23, "H51902": 20, "H51903": 17, "H51904": 14, "H51905": 38, "H51906": 28}
OF_THE_LAST_WEEKS = {"H51901": 15, "H51902": 15, "H51903": 15, "H51904": 14}
YEAR, WEEKS = timedelta(days=360), timedelta(days=24)
SID_START, SID_OF_THE_DOCUMENT = "DEMO", "WWLN97178546"
# Who studies no longer, by the number of the student: since how many days, and why.
LEAVERS = {
    5: (StudentState.WITHDRAWN, 200, "搬家"),
    12: (StudentState.WITHDRAWN, 120, "参加考研"),
    20: (StudentState.SUSPENDED, 75, "身体原因"),
    33: (StudentState.WITHDRAWN, 60, "转学其他专业"),
    41: (StudentState.GRADUATED, 45, "提前就业"),
    47: (StudentState.SUSPENDED, 20, "家里有事"),
    52: (StudentState.WITHDRAWN, 12, ""),
}


def students_seed(*, now: datetime) -> str:
    """Add the demo students to an empty table. A table that holds any student stays as it is."""
    if Student.objects.exists():
        return "已有学员，保持不变"
    # The numbers are always the same, so two starts at the same time add each student once.
    students = _students(now)
    Student.objects.bulk_create(students, ignore_conflicts=True)
    _leave(now)
    return f"新增 {len(students)} 名学员，{len(OF_THE_YEAR)} 个班"


def students_reset(*, now: datetime) -> str:
    """Put the demo students back as they were, deleted ones too. All other students stay as they are."""
    students = _students(now)
    numbers = [student.sid for student in students]
    for archived in ArchivedStudent.objects.filter(sid__in=numbers).exclude(sid__in=Student.objects.values("sid")):
        student_restore(pk=archived.pk, actor_pk=None, now=now)
    present = {student.sid: student for student in Student.objects.filter(sid__in=numbers)}
    for student in present.values():
        if student.headimgurl:
            image_release(owner=student.owner_ref)
    _identify(students, present)
    fields = [field.name for field in Student._meta.concrete_fields if field.name != "id"]
    Student.objects.bulk_create(students, update_conflicts=True, unique_fields=["id"], update_fields=fields)
    _forget(numbers)
    _leave(now)
    return f"恢复 {len(students)} 名学员"


def _forget(numbers: list[str]) -> None:
    """Delete what happened in the students' lives, and the runs by which the demo students left."""
    pks = Student.objects.filter(sid__in=[_sid(number) for number in LEAVERS]).values("pk")
    TransferRun.objects.filter(kind=RunKind.CLASS, options__step="state", rows__student_pk__in=pks).delete()
    StudentEvent.objects.filter(sid__in=numbers).delete()


def _leave(now: datetime) -> None:
    for number, (state, days, reason) in LEAVERS.items():
        at = now - timedelta(days=days)
        pks = list(Student.objects.filter(sid=_sid(number)).values_list("pk", flat=True))
        with suppress(StudentUnchanged):  # another process has just done it
            students_state_set(
                pks=pks,
                state=state,
                on=local(at).date(),
                reason=reason,
                fate="",
                mark=mark_of(pks),
                user_pk=None,
                now=at,
            )


def _identify(students: list[Student], present: dict[str, Student]) -> None:
    """Give each student the key and the time it had, because its ``_id`` consists of both.

    They were added in one go, so those of a deleted one follow from any other that is still there.
    """
    at = next((at for at, student in enumerate(students) if at and student.sid in present), None)
    if at is None:
        return
    first_pk = present[students[at].sid].pk - at
    delay = present[students[at].sid].created_at - students[at].created_at
    pks = range(first_pk, first_pk + len(students))
    pks_in_use = set(Student.objects.filter(pk__in=pks).values_list("pk", flat=True))
    for pk, student in zip(pks, students, strict=True):
        if row := present.get(student.sid):
            student.pk, student.created_at = row.pk, row.created_at
        else:
            student.pk = None if pk in pks_in_use else pk
            student.created_at += delay if student is not students[0] else timedelta()


def _students(now: datetime) -> list[Student]:
    """Return all of them, oldest first: lists show the newest key first."""
    random = Random(51906)  # noqa: S311  (always the same)
    classes = [name for name, count in OF_THE_YEAR.items() for _ in range(count)]
    random.shuffle(classes)
    pause = (YEAR - WEEKS) / len(classes)
    times = [now - YEAR + pause * number for number in range(len(classes))]
    recent = [name for name, count in OF_THE_LAST_WEEKS.items() for _ in range(count)]
    random.shuffle(recent)
    times += [now - WEEKS * (len(recent) - number) / (len(recent) + 1) for number in range(len(recent))]
    students = [
        _student(random, number, class_name, at)
        for number, (class_name, at) in enumerate(zip([*classes, *recent], times, strict=True), 1)
    ]
    return [_of_the_document(), *students]


def _of_the_document() -> Student:
    return Student(
        sid=SID_OF_THE_DOCUMENT,
        name="谭鹏",
        age=21,
        class_name="H51901",
        city="重庆",
        degree="专科",
        product_url="地址",
        description="O(∩_∩)O哈哈~",
        created_at=datetime(2019, 5, 9, 2, 14, 12, tzinfo=SHANGHAI),
    )


def _sid(number: int) -> str:
    return f"{SID_START}{number:08d}"


def _student(random: Random, number: int, class_name: str, created_at: datetime) -> Student:
    return Student(
        sid=_sid(number),
        name=random.choice(SURNAMES) + random.choice(GIVEN_NAMES),
        age=random.randint(18, 28),
        class_name=class_name,
        city=random.choice(CITIES),
        degree=random.choice(DEGREES),
        product_url=f"https://example.com/projects/{number}",
        description=random.choice(DESCRIPTIONS),
        created_at=created_at,
    )
