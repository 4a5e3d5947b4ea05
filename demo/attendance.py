"""Three months of attendance of the demo classes, with the week's rhythm: late on Mondays, thin on Fridays."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from random import Random

from accounts.demo_users import DEMO_USERS
from accounts.models import User
from attendance.models import ATTENDED, Period, Record, Session, Status, Way
from core.times import day_begins, local
from demo.students import OF_THE_YEAR
from students.models import Student

DAYS = 90
BEGINS, LASTS, LATE_AFTER = timedelta(hours=8, minutes=30), timedelta(minutes=30), timedelta(minutes=10)
# How many of a hundred are late, leave early, are on leave or absent, from Monday to Friday.
RHYTHM = ((9, 1, 2, 3), (4, 1, 2, 2), (3, 1, 2, 2), (4, 2, 3, 2), (5, 6, 5, 6))
_KINDS = (Status.LATE, Status.LEFT_EARLY, Status.ON_LEAVE, Status.ABSENT)


def attendance_seed(*, now: datetime) -> str:
    """Make the sessions, unless there has been one."""
    if Session.objects.exists():
        return "已有考勤，保持不变"
    return attendance_reset(now=now)


def attendance_reset(*, now: datetime) -> str:
    """Make the demo's sessions again, of this day's last three months; all others stay as they are."""
    teacher = User.objects.filter(username=DEMO_USERS[1].username).first()
    days = list(_days(local(now).date()))
    begins = [day_begins(day) + BEGINS for day in days]
    Session.objects.filter(opened_at__in=begins, class_name__in=OF_THE_YEAR, created_by=teacher).delete()
    sessions = [
        Session(
            class_name=name, date=day, period=Period.MORNING, opened_at=at, late_at=at + LATE_AFTER,
            closes_at=at + LASTS, closed_at=at + LASTS, created_by=teacher,
        )
        for day, at in zip(days, begins, strict=True) for name in OF_THE_YEAR
    ]  # fmt: skip
    Session.objects.bulk_create(sessions, ignore_conflicts=True)  # of a class that has had another session then
    random = Random(DAYS)  # noqa: S311  (always the same)
    students = {name: list(Student.objects.filter(class_name=name).order_by("pk")) for name in OF_THE_YEAR}
    made = Session.objects.filter(opened_at__in=begins, class_name__in=OF_THE_YEAR, created_by=teacher)
    records = [
        _record(random, session, student)
        for session in made.order_by("date", "class_name")
        for student in students[session.class_name]
        if student.created_at < session.opened_at and not (student.state_on and student.state_on <= session.date)
    ]
    Record.objects.bulk_create(records, batch_size=2000)
    return f"写入考勤 {len(sessions)} 场"


def _days(today: date) -> Iterator[date]:
    days = (today - timedelta(days=ago) for ago in range(DAYS, 0, -1))
    return (day for day in days if day.weekday() < 5)


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
