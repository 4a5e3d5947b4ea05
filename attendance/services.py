"""A session opens, students sign, a teacher marks, and it closes.

Whoever changes a session or its records locks the session first. So two signs of one student make one record, of two
students with one device the second one is seen, and nobody signs what is being closed.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.services.practice_ceilings import ceiling_keep
from attendance import screens
from attendance.codes import CODE_TTL, sign_code_make
from attendance.errors import AlreadySigned, CodeExpired, NotOnList, SessionExists
from attendance.models import ATTENDED, Leave, Period, Record, Session, Status, Way
from attendance.selectors import numbers_of, records_of, session_get, sessions_entered
from core import times
from core.errors import NothingChanged, RowUnknown
from permissions.scope import EVERYTHING, Scope
from students.classes import class_get
from students.errors import ClassUnknown
from students.models import SchoolClass
from students.selectors import class_roster, student_of_account

SIGN_PATH = "/attendance/sign"
CEILING_WINDOW = timedelta(days=1)


def session_open(
    *,
    class_name: str,
    day: date | None = None,
    period: Period | None = None,
    late_after_min: int = 10,
    open_for_min: int = 30,
    now: datetime,
    scope: Scope = EVERYTHING,
    roster_of: Scope | None = None,
) -> tuple[Session, int]:
    """Open a session with the students of a class who study now, and return it with their number.

    Students on leave that day begin as 请假. ``day`` and ``period`` default to those of the moment, and ``roster_of``,
    whose students come onto the list, to ``scope``.

    :raises ClassUnknown: no such class, or none with a student whom ``scope`` shows.
    :raises SessionExists: the class has a session then among those that ``scope`` shows.
    :raises CeilingReached: on a practice server, who opens has opened as many within a day as an account may.
    """
    row = class_get(class_name, scope)
    day, period = day or times.local(now).date(), period or Period.at(now)
    with transaction.atomic():
        # Of two who open the same, the second finds the first one's. A class that is being renamed is waited for.
        if not SchoolClass.objects.select_for_update(no_key=True).filter(pk=row.pk, name=class_name).first():
            raise ClassUnknown
        is_private = scope.is_narrow and class_name not in scope.classes
        what = {"class_name": class_name, "date": day, "period": period, "is_private": is_private}
        if existing := Session.objects.filter(scope.visible(of=Session), **what).first():
            raise SessionExists(existing.pk)
        newest = Session.objects.filter(created_by=scope.user_pk, opened_at__gt=now - CEILING_WINDOW)
        ceiling_keep(
            user_pk=scope.user_pk, limit=settings.PRACTICE_SESSIONS, what="场考勤(24 小时内)",
            count=newest.count, advice="请过些时候再开",
        )  # fmt: skip
        late_at, closes_at = (now + timedelta(minutes=minutes) for minutes in (late_after_min, open_for_min))
        session = Session.objects.create(
            **what, opened_at=now, late_at=late_at, closes_at=closes_at, created_by_id=scope.user_pk
        )
        return session, len(Record.objects.bulk_create(_list_of(session, roster_of or scope)))


def session_code(
    *, pk: int, base: str, socket_sid: str = "", now: datetime, scope: Scope = EVERYTHING
) -> dict[str, Any]:
    """Return a code, its address and its seconds; with ``socket_sid``, that socket hears of the session from now on.

    :param base: the address by which the caller reaches us.
    :raises RowUnknown: no such session is open.
    :raises NotPermitted: ``scope`` shows it, but does not allow changes.
    :raises SidUnknown: no such socket is connected.
    """
    session = session_get(pk, scope)
    scope.require_change(session)
    if not session.is_open(now):
        raise RowUnknown
    if socket_sid:
        screens.screen_add(screens.Screen(socket_sid, pk, base), now)
    return _code_fields(pk, base, now)


def codes_send(*, now: datetime) -> None:
    """Send the sockets whose time has come their next code, or that their session is over."""
    due = list(screens.screens_due(now))
    running = Session.objects.filter(pk__in={screen.session_pk for screen in due}, closed_at=None, closes_at__gt=now)
    open_pks = set(running.values_list("pk", flat=True))
    for screen in due:
        if screen.session_pk in open_pks:
            screens.screen_tell(screen, "attendanceCode", _code_fields(screen.session_pk, screen.base, now))
    for pk in {screen.session_pk for screen in due} - open_pks:
        screens.screens_end(pk)


def session_sign(*, pk: int, user_pk: int, device: str, at: datetime, now: datetime) -> Record:
    """Let the student of an account sign. What a teacher has marked by hand stays, except 未签到 and 请假.

    :param device: what tells the caller's device from others; "" compares none.
    :param at: the moment of the scan.
    :raises CodeExpired: the session is over, or gone.
    :raises NotOnList, AlreadySigned: as named.
    """
    student = student_of_account(user_pk)
    with transaction.atomic():
        session = EVERYTHING.lock(Session.objects.filter(pk=pk), CodeExpired)
        if not session.is_open(now):
            raise CodeExpired
        record = session.records.filter(student=student).first() if student else None
        if record is None:
            raise NotOnList
        if record.status not in (Status.UNSIGNED, Status.ON_LEAVE):
            raise AlreadySigned
        record.status = Status.LATE if at >= session.late_at else Status.PRESENT
        record.signed_at, record.way = at, Way.SCAN
        if device:
            record.device = sha256(device.encode()).hexdigest()[:32]
            record.is_same_device = session.records.filter(device=record.device).exclude(pk=record.pk).exists()
        record.save()
        _tell(session, record)
    return record


def record_mark(
    *,
    pk: int, sid: str, status: Status | None = None, remark: str | None = None, now: datetime,
    scope: Scope = EVERYTHING,
) -> Record:  # fmt: skip
    """Change by hand what became of a student, also after the end. None: stays as it is.

    :raises RowUnknown: ``scope`` shows no such session, or no such student on its list.
    :raises NotPermitted: ``scope`` shows the session, but does not allow changes.
    :raises NothingChanged: as named.
    """
    with transaction.atomic():
        session = scope.lock(Session.objects.filter(pk=pk), RowUnknown)
        record = session.records.filter(scope.visible(of=Record), sid=sid).first()
        if record is None:
            raise RowUnknown
        if not _mark(session, record, status, remark, now):
            raise NothingChanged
        _tell(session, record)
    return record


class Mark(NamedTuple):
    """What a page sends of a record: the status that it has shown, the one to set, and the remark."""

    shown: Status | None
    chosen: Status
    remark: str | None


def records_mark(
    *, pk: int, marks: Mapping[int, Mark], now: datetime, scope: Scope = EVERYTHING
) -> tuple[list[tuple[Record, Status]], list[tuple[Record, Status]]]:
    """Change many records of a session by hand; whose status differs by now from the one that was shown stays.

    :param marks: by the keys of the records; those that ``scope`` does not show are left out.
    :return: the records that changed, each with its status before, and those that stayed, each with its status.
    :raises RowUnknown, NotPermitted: as :func:`record_mark`.
    """
    changed, others = [], []
    with transaction.atomic():
        session = scope.lock(Session.objects.filter(pk=pk), RowUnknown)
        for record in records_of(session, scope).filter(pk__in=marks):
            mark, before = marks[record.pk], session.status_at(now, record.status)
            if mark.chosen != mark.shown and before not in (mark.shown, mark.chosen):
                others.append((record, before))
            elif _mark(session, record, None if mark.chosen == mark.shown else mark.chosen, mark.remark, now):
                changed.append((record, before))
        _tell(session, *(record for record, _ in changed))
    return changed, others


def session_close(*, pk: int, now: datetime, scope: Scope = EVERYTHING) -> None:
    """End a session: those who are 未签到 were absent.

    :raises RowUnknown: ``scope`` shows no such session.
    :raises NotPermitted: ``scope`` shows it, but does not allow changes.
    :raises NothingChanged: it is over already.
    """
    with transaction.atomic():
        session = scope.lock(Session.objects.filter(pk=pk), RowUnknown)
        if not session.is_open(now):
            raise NothingChanged
        _close(session, now)


def sessions_close_due(*, now: datetime) -> None:
    """Close the sessions whose time is over. Several processes may do this at once."""
    due = Session.objects.filter(closed_at=None, closes_at__lte=now)
    with transaction.atomic():
        for session in due.select_for_update(no_key=True, skip_locked=True)[:500]:
            _close(session, session.closes_at)


@transaction.atomic
def sessions_clear(*, user_pks: Sequence[int]) -> int:
    """Delete the sessions that the users have opened; return how many."""
    sessions = list(sessions_entered(user_pks).select_for_update().order_by("pk"))
    Session.objects.filter(pk__in=[session.pk for session in sessions]).delete()
    return len(sessions)


# --- What happens to a class ---
def sessions_rename(*, before: str, after: str) -> list[int]:
    """Let the sessions of a class follow its name, and of one that was merged into another those that are not closed.

    A session stays where it is if the other class has one of that day and period. Returns the keys of the others.
    """
    found = Session.objects.filter(class_name=before)
    if SchoolClass.objects.filter(name=before).exists():  # merged
        found = found.filter(closed_at=None)
    return _rename(found, after)


def sessions_rename_undo(*, before: str, after: str, note: list[int]) -> None:
    _rename(Session.objects.filter(pk__in=note, class_name=after), before)


def _rename(found: QuerySet[Session], name: str) -> list[int]:
    same = Session.objects.filter(
        class_name=name, date=OuterRef("date"), period=OuterRef("period"), is_private=OuterRef("is_private")
    )
    is_taken = Exists(same.filter(Q(is_private=False) | Q(created_by=OuterRef("created_by"))))
    pks = list(found.exclude(is_taken).values_list("pk", flat=True))
    Session.objects.filter(pk__in=pks).update(class_name=name)
    return pks


# --- Parts ---
def _list_of(session: Session, scope: Scope) -> list[Record]:
    """Make the records of those students of a new session's class who study, not saved yet."""
    roster = class_roster(session.class_name, scope, only_studying=True)
    leaves = Leave.objects.filter(student__in=roster, begins_on__lte=session.date, ends_on__gte=session.date)
    on_leave = set(leaves.values_list("student", flat=True))
    return [
        Record(
            session=session,
            student=student,
            sid=student.sid,
            name=student.name,
            created_by_id=student.created_by_id,
            status=Status.ON_LEAVE if student.pk in on_leave else Status.UNSIGNED,
        )
        for student in roster
    ]


def _close(session: Session, at: datetime) -> None:
    session.records.filter(status=Status.UNSIGNED).update(status=Status.ABSENT)
    session.closed_at = at
    session.save(update_fields=["closed_at"])
    transaction.on_commit(lambda: screens.screens_end(session.pk), robust=True)


def _mark(session: Session, record: Record, status: Status | None, remark: str | None, now: datetime) -> bool:
    """Change a record of a locked session, and save it; tell whether anything was to be changed."""
    before = session.status_at(now, record.status)
    record.status = session.status_at(now, before if status is None else status)  # when it is over, 未签到 is 旷课
    new_remark = record.remark if remark is None else remark
    if (record.status, new_remark) == (before, record.remark):
        return False
    record.remark = new_remark
    if record.status != before:
        record.way = Way.HAND
        record.signed_at = (record.signed_at or now) if record.status in ATTENDED else None
    record.save()
    return True


def _tell(session: Session, *records: Record) -> None:
    statuses = session.records.values_list("status", flat=True)
    for record in records:
        event = {
            "sId": record.sid, "name": record.name,
            "signed": numbers_of(statuses)["attended"], "total": len(statuses),
            "attendanceStatus": Status(record.status).label, "signTime": times.format_api_time(record.signed_at),
        }  # fmt: skip
        # Before the commit, while the session is locked: of two signs at once, the second number must not come first.
        screens.screens_tell(session.pk, "attendanceSigned", event)


def _code_fields(pk: int, base: str, now: datetime) -> dict[str, Any]:
    code = sign_code_make(pk, now)
    url = f"{base}{SIGN_PATH}?code={code}"
    return {"code": code, "signUrl": url, "expires_in": int(CODE_TTL.total_seconds())}
