"""Three months of attendance of the demo classes, with the week's rhythm: late on Mondays, thin on Fridays."""

from datetime import datetime, timedelta
from random import Random

from accounts.demo_users import DEMO_USERS
from accounts.models import User
from attendance.models import ATTENDED, Period, Record, Session, Status, Way
from core.times import day_begins, local
from demo.students import CLASSES
from students.models import Student

DAYS = 90
BEGINS, LASTS, LATE_AFTER = timedelta(hours=8, minutes=30), timedelta(minutes=30), timedelta(minutes=10)
# How many of a hundred are late, leave early, are on leave or absent, from Monday to Friday.
RHYTHM = ((9, 1, 2, 3), (4, 1, 2, 2), (3, 1, 2, 2), (4, 2, 3, 2), (5, 6, 5, 6))
_KINDS = (Status.LATE, Status.LEFT_EARLY, Status.ON_LEAVE, Status.ABSENT)


def attendance_reset(*, now: datetime) -> str:
    """Make the demo's sessions again, of this day's last three months; all others stay as they are."""
    teacher = User.objects.filter(username=DEMO_USERS[1].username).first()
    days = [local(now).date() - timedelta(days=ago) for ago in range(DAYS, 0, -1)]
    begins = {day: day_begins(day) + BEGINS for day in days if day.weekday() < 5}
    ours = Session.objects.filter(opened_at__in=begins.values(), class_name__in=CLASSES, created_by=teacher)
    ours.delete()
    sessions = [
        Session(
            class_name=name, date=day, period=Period.MORNING, opened_at=at, late_at=at + LATE_AFTER,
            closes_at=at + LASTS, closed_at=at + LASTS, created_by=teacher,
        )
        for day, at in begins.items() for name in CLASSES
    ]  # fmt: skip
    Session.objects.bulk_create(sessions, ignore_conflicts=True)  # of a class that has had another session then
    random = Random(DAYS)  # noqa: S311  (always the same)
    students = list(Student.objects.filter(class_name__in=CLASSES).order_by("pk"))
    records = [
        _record(random, session, student)
        for session in ours.order_by("date", "class_name")
        for student in students
        if student.class_name == session.class_name and student.created_at < session.opened_at
        if student.state_on is None or session.date < student.state_on
    ]
    Record.objects.bulk_create(records, batch_size=2000)
    return f"写入考勤 {len(sessions)} 场"


def _record(random: Random, session: Session, student: Student) -> Record:
    weights = RHYTHM[session.date.weekday()]
    [status] = random.choices([Status.PRESENT, *_KINDS], [100 - sum(weights), *weights])
    minutes = random.uniform(10, 25) if status == Status.LATE else random.uniform(0, 9)
    has_signed = status in ATTENDED
    return Record(
        session=session, student=student, sid=student.sid, name=student.name, created_by_id=student.created_by_id,
        status=status, signed_at=session.opened_at + timedelta(minutes=minutes) if has_signed else None,
        way=Way.SCAN if has_signed else Way.NONE,
    )  # fmt: skip
