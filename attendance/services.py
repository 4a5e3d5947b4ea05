"""A session opens, students sign, a teacher marks, and it closes.

Whoever changes a session or its records locks the session first. So two signs of one student make one record, of two
students with one device the second one is seen, and nobody signs what is being closed.
"""

from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any

from django.db import transaction

from attendance import screens
from attendance.codes import CODE_TTL, code_make
from attendance.errors import AlreadySigned, CodeExpired, NothingChanged, NotOnList, RecordMissing, SessionExists
from attendance.models import ATTENDED, Period, Record, Session, Status, Way
from attendance.selectors import on_leave, session_get, signed_and_total, with_same_time
from core.times import format_api_time
from permissions.scope import EVERYTHING, Scope
from students.classes import class_get
from students.errors import ClassUnknown
from students.models import SchoolClass
from students.selectors import class_roster, student_of_account

SIGN_PATH = "/attendance/sign"


def session_open(
    *,
    class_name: str,
    day: date,
    period: Period,
    late_after: timedelta,
    open_for: timedelta,
    now: datetime,
    scope: Scope = EVERYTHING,
) -> tuple[Session, int]:
    """Open a session with the students of a class who study now, and return it with their number.

    Who is on leave that day is 请假 already.

    :raises ClassUnknown: no such class, or none with a student whom ``scope`` shows.
    :raises SessionExists: the class has a session then among those that ``scope`` shows.
    """
    row = class_get(class_name, scope)
    with transaction.atomic():
        # Of two who open the same, the second finds the first one's. A class that is being renamed is waited for.
        if not SchoolClass.objects.select_for_update(no_key=True).filter(pk=row.pk, name=class_name).first():
            raise ClassUnknown
        same = Session.objects.filter(class_name=class_name, date=day, period=period, is_private=scope.is_own_only)
        if scope.is_own_only:
            same = same.filter(created_by=scope.user_pk)
        if existing := same.first():
            raise SessionExists(existing.pk)
        session = Session.objects.create(
            class_name=class_name, date=day, period=period, created_by_id=scope.user_pk, is_private=scope.is_own_only,
            opened_at=now, late_at=now + late_after, closes_at=now + open_for,
        )  # fmt: skip
        roster = list(class_roster(class_name, scope, only_studying=True))
        absent = on_leave([one.pk for one in roster], day)
        records = Record.objects.bulk_create(
            Record(
                session=session,
                student=one,
                sid=one.sid,
                name=one.name,
                created_by_id=one.created_by_id,
                status=Status.ON_LEAVE if one.pk in absent else Status.UNSIGNED,
            )
            for one in roster
        )
    return session, len(records)


def session_code(*, pk: int, base: str, sid: str = "", now: datetime, scope: Scope = EVERYTHING) -> dict[str, Any]:
    """Return a code, its address and its seconds; with ``sid``, that socket hears of the session from now on.

    :param base: the address by which the caller reaches us.
    :raises RecordMissing: no such session is open.
    :raises NotPermitted: ``scope`` shows it, but does not allow changes.
    :raises SidUnknown: no such socket is connected.
    """
    session = session_get(pk, scope)
    scope.require_change(session)
    if not session.is_open(now):
        raise RecordMissing
    if sid:
        screens.screen_add(screens.Screen(sid, pk, base), now)
    return _code_facts(pk, base, now)


def codes_send(*, now: datetime) -> None:
    """Send the sockets whose time has come their next code, or that their session is over."""
    due = list(screens.screens_due(now))
    running = Session.objects.filter(pk__in={one.session_pk for one in due}, closed_at=None, closes_at__gt=now)
    open_pks = set(running.values_list("pk", flat=True))
    for screen in due:
        if screen.session_pk in open_pks:
            facts = {"status": 200, "state": True} | _code_facts(screen.session_pk, screen.base, now)
            screens.screen_tell(screen.sid, "attendanceCode", facts)
    for pk in {one.session_pk for one in due} - open_pks:
        screens.screens_end(pk)


def session_sign(*, pk: int, user_pk: int, device: str, at: datetime, now: datetime) -> Record:
    """Let the student of an account sign.

    :param device: what tells the caller's device from others; "" compares none.
    :param at: the moment of the scan.
    :raises CodeExpired: the session is over, or gone.
    :raises NotOnList, AlreadySigned: as named.
    """
    student = student_of_account(user_pk)
    with transaction.atomic():
        session = _lock(pk)
        if session is None or not session.is_open(now):
            raise CodeExpired
        record = Record.objects.filter(session=session, student=student).first() if student else None
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

    :raises RecordMissing: ``scope`` shows no such session, or no such student on its list.
    :raises NotPermitted: ``scope`` shows the session, but does not allow changes.
    :raises NothingChanged: as named.
    """
    with transaction.atomic():
        session = _lock_to_change(pk, scope)
        record = Record.objects.filter(scope.visible(), session=session, sid=sid).first()
        if record is None:
            raise RecordMissing
        before = record.status_in(session, now)
        record.status = before if status is None else status
        record.status = record.status_in(session, now)  # when it is over, 未签到 is 旷课
        new_remark = record.remark if remark is None else remark
        if (record.status, new_remark) == (before, record.remark):
            raise NothingChanged
        record.remark = new_remark
        if record.status != before:
            record.way = Way.HAND
            record.signed_at = (record.signed_at or now) if record.status in ATTENDED else None
        record.save()
        _tell(session, record)
    return record


def session_close(*, pk: int, now: datetime, scope: Scope = EVERYTHING) -> Session:
    """End a session.

    :raises RecordMissing: ``scope`` shows no such session.
    :raises NotPermitted: ``scope`` shows it, but does not allow changes.
    :raises NothingChanged: it is over already.
    """
    with transaction.atomic():
        session = _lock_to_change(pk, scope)
        if not session.is_open(now):
            raise NothingChanged
        _close(session, now)
    return session


def sessions_close_due(*, now: datetime) -> None:
    """Close the sessions whose time is over. Several processes may do this at once."""
    for pk in Session.objects.filter(closed_at=None, closes_at__lte=now).values_list("pk", flat=True)[:500]:
        with transaction.atomic():
            session = _lock(pk)
            if session is not None and session.closed_at is None:
                _close(session, session.closes_at)


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


def _rename(found: Any, name: str) -> list[int]:
    stays = with_same_time(found, name).values("pk")
    pks = list(found.exclude(pk__in=stays).values_list("pk", flat=True))
    Session.objects.filter(pk__in=pks).update(class_name=name)
    return pks


# --- Parts ---
def _lock(pk: int) -> Session | None:
    return Session.objects.select_for_update(no_key=True).filter(pk=pk).first()


def _lock_to_change(pk: int, scope: Scope) -> Session:
    session = Session.objects.select_for_update(no_key=True).filter(scope.visible(), pk=pk).first()
    if session is None:
        raise RecordMissing
    scope.require_change(session)
    return session


def _close(session: Session, at: datetime) -> None:
    session.records.filter(status=Status.UNSIGNED).update(status=Status.ABSENT)
    session.closed_at = at
    session.save(update_fields=["closed_at"])
    transaction.on_commit(lambda: screens.screens_end(session.pk), robust=True)


def _tell(session: Session, record: Record) -> None:
    signed, total = signed_and_total(session)
    facts = {
        "status": 200, "state": True, "sId": record.sid, "name": record.name, "signed": signed, "total": total,
        "attendanceStatus": Status(record.status).label, "signTime": format_api_time(record.signed_at),
    }  # fmt: skip
    # Before the commit, while the session is locked: of two signs at once, the second number must not come first.
    screens.screens_tell(session.pk, "attendanceSigned", facts)


def _code_facts(pk: int, base: str, now: datetime) -> dict[str, Any]:
    code = code_make(pk, now)
    url = f"{base}{SIGN_PATH}?code={code}"
    return {"code": code, "signUrl": url, "expires_in": int(CODE_TTL.total_seconds())}
