"""Sessions, records and summaries as clients read them."""

from datetime import datetime
from typing import Annotated, Any, TypedDict

from attendance.models import Period, Record, Session, Way
from attendance.selectors import Numbers, attendance_rate, session_numbers
from core.times import format_api_time

_OfClass = TypedDict("_OfClass", {"class": str})


class SessionJson(_OfClass, Numbers):
    attendance_id: str
    date: Annotated[str, "2026-11-29"]
    period: Annotated[str, "上午、下午或晚上"]
    startTime: str
    endTime: Annotated[str, "结束的时间;还开放时是自动结束的时间"]
    isOpen: bool
    total: Annotated[int, "名单人数"]
    user_nickname: Annotated[str, "谁开的"]


class RecordJson(_OfClass):
    sId: str
    name: str
    attendanceStatus: Annotated[str, "未签到、出勤、迟到、早退、请假或旷课"]
    signTime: Annotated[str, "2026/11/29 08:58:10,没有签到时为空"]
    way: Annotated[str, "扫码或手工,没有签到时为空"]
    remark: str
    flag: Annotated[str, "同一设备:另一名学员先用这台设备签过到"]


class SummaryJson(_OfClass, Numbers):
    sId: str
    name: str
    shouldAttend: Annotated[int, "应出勤:结束了的场次,请假除外"]
    rate: Annotated[float | None, "attended / shouldAttend;没有应出勤时为 null"]


def session_json(session: Any, now: datetime) -> SessionJson:
    return {
        "attendance_id": str(session.pk),
        "class": session.class_name,
        "date": session.date.isoformat(),
        "period": Period(session.period).label,
        "startTime": format_api_time(session.opened_at),
        "endTime": format_api_time(session.ends_at),
        "isOpen": session.is_open(now),
        "total": len(session.statuses),
        **session_numbers(session, now),
        "user_nickname": str(session.created_by or ""),
    }


def record_json(record: Record, session: Session, now: datetime) -> RecordJson:
    return {
        "sId": record.sid,
        "name": record.name,
        "class": session.class_name,
        "attendanceStatus": session.status_at(now, record.status).label,
        "signTime": format_api_time(record.signed_at),
        "way": Way(record.way).label,
        "remark": record.remark,
        "flag": "同一设备" if record.is_same_device else "",
    }


def summary_json(row: dict[str, Any], newest: Record) -> SummaryJson:
    """Return a row of ``selectors.summary`` with its newest record."""
    numbers: Numbers = {key: row[key] for key in Numbers.__annotations__}  # type: ignore[assignment]
    return {
        "sId": newest.sid,
        "name": newest.name,
        "class": row["session__class_name"],
        "shouldAttend": row["attended"] + row["absent"],
        **numbers,
        "rate": attendance_rate(row["attended"], row["absent"]),
    }
