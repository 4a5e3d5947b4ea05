"""The school of the demo: its students, their head teachers and rooms, and three months of attendance."""

from contextlib import suppress
from datetime import datetime, timedelta
from random import Random

from auditlog.context import disable_auditlog

from accounts.demo_users import DEMO_USERS
from accounts.models import User
from attendance.models import ATTENDED, Period, Record, Session, Status, Way
from core.times import SHANGHAI, day_begins, local
from dormitory.errors import HasBed
from dormitory.models import Room, RoomGender, Stay
from dormitory.services import check_in, check_out, room_add
from students.classes import classes_add
from students.events import event_of
from students.invented import CITIES, DEGREES, GIVEN_NAMES, SURNAMES
from students.models import ArchivedStudent, EventKind, SchoolClass, Student, StudentEvent, StudentState
from students.services import student_restore
from uploads.services import image_release

# --- Two hundred students; the first is the one of the API document ---
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
# Students who have left, by the number of the student: since how many days, and why.
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
    # A student who is here keeps the key and the time, of which `_id` consists.
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


# --- Teachers, a student with an account, and rooms: nobody has entered these, by which a reset tells them ---
HEAD_TEACHERS, STUDENT_ACCOUNT = ["lbw", "zhuguan"], "yuangong"
BUILDING, ROOMS, BEDS = "演示楼", ["101", "102", "103", "201", "202", "203"], 6
IN_BEDS, MOVED_OUT = 26, 3  # students; those who moved out are beside those in beds


@disable_auditlog()
def school_reset(*, now: datetime) -> str:
    """Put it back as it was. Rooms and stays that people have made stay."""
    classes_add(list(CLASSES))
    users = {user.username: user for user in User.objects.filter(username__in=[*HEAD_TEACHERS, STUDENT_ACCOUNT])}
    for number, name in enumerate(CLASSES):
        SchoolClass.objects.filter(name=name).update(
            head_teacher=users.get(HEAD_TEACHERS[number % 2]),
            begins_on=local(now).date() - timedelta(days=360),
            room=f"{number + 1}01 教室",
            capacity=50,
            campus="重庆",
        )
    # A demo account that is no member of staff belongs to a student, so that it can sign in a session.
    account = users.get(STUDENT_ACCOUNT)
    if account and not Student.objects.filter(account=account).exists():
        Student.objects.filter(sid=SID_OF_THE_DOCUMENT, account=None).update(account=account)
    old = Room.objects.filter(building=BUILDING, name__in=ROOMS, created_by=None)
    Stay.objects.filter(room__in=old).delete()
    old.delete()
    _fill_rooms(now)
    return f"写入 {len(CLASSES)} 个班的班主任，宿舍 {len(ROOMS)} 间"


def _fill_rooms(now: datetime) -> None:
    """Check in the first students, each on another day of the last months; the first few have moved out again."""
    rooms = [room_add(building=BUILDING, name=name, beds=BEDS, gender=RoomGender.ANY) for name in ROOMS]
    studying = Student.objects.filter(sid__startswith=SID_START, state=StudentState.STUDYING).order_by("pk")
    for number, sid in enumerate(studying.values_list("sid", flat=True)[: IN_BEDS + MOVED_OUT]):
        with suppress(HasBed):  # in a room of a trainee's own
            check_in(sid=sid, room_pk=rooms[number // BEDS].pk, now=now - timedelta(days=100 - number))
            if number < MOVED_OUT:
                check_out(sid=sid, now=now - timedelta(days=20 + number))


# --- Attendance with the week's rhythm: late on Mondays, thin on Fridays ---
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
