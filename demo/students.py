"""Two hundred students of a school's year; the first is the one of the API document."""

from datetime import datetime, timedelta
from random import Random

from core.times import SHANGHAI, local
from students.events import event_of
from students.invented import CITIES, DEGREES, GIVEN_NAMES, SURNAMES
from students.models import ArchivedStudent, EventKind, Student, StudentEvent, StudentState
from students.services import student_restore
from uploads.services import image_release

DESCRIPTIONS = [
    "每天进步一点点",
    "O(∩_∩)O哈哈~",
    "喜欢写代码，也喜欢打篮球",
    "脚踏实地，仰望星空",
    "Talk is cheap, show me the code",
]
CLASSES = {"H51901": 38, "H51902": 35, "H51903": 32, "H51904": 28, "H51905": 38, "H51906": 28}  # students of each
YEAR = timedelta(days=360)
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


def students_reset(*, now: datetime) -> str:
    """Put the demo students back as they were, deleted ones too. All other students stay as they are."""
    students = _students(now)
    numbers = [student.sid for student in students]
    rows = Student.objects.filter(sid__in=numbers)
    for archived in ArchivedStudent.objects.filter(sid__in=numbers).exclude(sid__in=rows.values("sid")):
        student_restore(pk=archived.pk, actor_pk=None, now=now)
    for student in rows.exclude(headimgurl=""):
        image_release(owner=student.owner_ref)
    # Who is here keeps the key and the time, of which `_id` consists.
    columns = {field.name for field in Student._meta.concrete_fields} - {"id", "sid", "created_at"}
    Student.objects.bulk_create(students, update_conflicts=True, unique_fields=["sid"], update_fields=columns)
    StudentEvent.objects.filter(sid__in=numbers).delete()
    StudentEvent.objects.bulk_create(_event(students[number]) for number in LEAVERS)
    return f"写入 {len(students)} 名学员，{len(CLASSES)} 个班"


def _event(student: Student) -> StudentEvent:
    on, kind = student.state_on or student.created_at.date(), EventKind(student.state)
    return event_of(student, kind, on, had_left=False, has_left=student.has_left, detail=student.state_reason)


def _students(now: datetime) -> list[Student]:
    """Return all of them, oldest first: lists show the newest key first."""
    random = Random(51906)  # noqa: S311  (always the same)
    classes = [name for name, count in CLASSES.items() for _ in range(count)]
    random.shuffle(classes)
    students = [
        Student(
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
    ]
    for number, class_name in enumerate(classes, 1):
        student = Student(
            sid=f"{SID_START}{number:08d}",
            name=random.choice(SURNAMES) + random.choice(GIVEN_NAMES),
            age=random.randint(18, 28),
            class_name=class_name,
            city=random.choice(CITIES),
            degree=random.choice(DEGREES),
            product_url=f"https://example.com/projects/{number}",
            description=random.choice(DESCRIPTIONS),
            created_at=now - YEAR + YEAR * number / (len(classes) + 1),
        )
        if number in LEAVERS:
            student.state, days, student.state_reason = LEAVERS[number]
            student.state_on = local(now - timedelta(days=days)).date()
            student.left_on = student.state_on if student.state == StudentState.GRADUATED else None
        students.append(student)
    return students
