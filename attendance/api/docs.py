"""What ``/docs/`` shows of the attendance calls, and their rows as clients read them."""

from datetime import datetime
from typing import Annotated, Any, TypedDict

from accounts.errors import SidUnknown
from attendance import errors
from attendance.api import params
from attendance.models import Period, Record, Session, Way
from attendance.selectors import Numbers, attendance_rate
from core.api.endpoint import Doc
from core.errors import BadParameter, NotPermitted
from core.times import format_api_time
from students.errors import ClassUnknown

_STATUS = "未签到、出勤、迟到、早退、请假或旷课"

SessionJson = TypedDict(
    "SessionJson",
    {
        "attendance_id": str,
        "class": str,
        "date": Annotated[str, "2026-11-29"],
        "period": Annotated[str, "上午、下午或晚上"],
        "startTime": str,
        "endTime": Annotated[str, "结束的时间;还开放时是自动结束的时间"],
        "isOpen": bool,
        "total": Annotated[int, "名单人数"],
        "attended": Annotated[int, "出勤、迟到和早退"],
        "late": int,
        "early": int,
        "leave": int,
        "absent": Annotated[int, "旷课;还开放时未签到的不算"],
        "user_nickname": Annotated[str, "谁开的"],
    },
)
RecordJson = TypedDict(
    "RecordJson",
    {
        "sId": str,
        "name": str,
        "class": str,
        "attendanceStatus": Annotated[str, _STATUS],
        "signTime": Annotated[str, "2026/11/29 08:58:10,没有签到时为空"],
        "way": Annotated[str, "扫码或手工,没有签到时为空"],
        "remark": str,
        "flag": Annotated[str, "同一设备:另一名学员先用这台设备签过到"],
    },
)
SummaryJson = TypedDict(
    "SummaryJson",
    {
        "sId": str,
        "name": str,
        "class": str,
        "shouldAttend": Annotated[int, "应出勤:结束了的场次,请假除外"],
        "attended": Annotated[int, "实际出勤:出勤、迟到和早退"],
        "late": int,
        "early": int,
        "leave": int,
        "absent": int,
        "rate": Annotated[float | None, "attended / shouldAttend;没有应出勤时为 null"],
    },
)


def session_json(session: Session, numbers: Numbers, now: datetime) -> SessionJson:
    return {
        "attendance_id": str(session.pk),
        "class": session.class_name,
        "date": session.date.isoformat(),
        "period": Period(session.period).label,
        "startTime": format_api_time(session.opened_at),
        "endTime": format_api_time(session.ends_at),
        "isOpen": session.is_open(now),
        "total": numbers.total,
        "attended": numbers.attended,
        "late": numbers.late,
        "early": numbers.early,
        "leave": numbers.leave,
        "absent": numbers.absent,
        "user_nickname": str(session.created_by or ""),
    }


def record_json(record: Record, session: Session, now: datetime) -> RecordJson:
    return {
        "sId": record.sid,
        "name": record.name,
        "class": session.class_name,
        "attendanceStatus": record.status_in(session, now).label,
        "signTime": format_api_time(record.signed_at),
        "way": Way(record.way).label,
        "remark": record.remark,
        "flag": "同一设备" if record.is_same_device else "",
    }


def summary_json(row: dict[str, Any], newest: Record) -> SummaryJson:
    """Return a row of ``selectors.summary`` with its newest record."""
    return {
        "sId": newest.sid,
        "name": newest.name,
        "class": row["session__class_name"],
        "shouldAttend": row["should_attend"],
        "attended": row["attended"],
        "late": row["late"],
        "early": row["early"],
        "leave": row["leave"],
        "absent": row["absent"],
        "rate": attendance_rate(row["attended"], row["should_attend"]),
    }


_CODE = "1f-1vXkzQ-a8Kd-5f0c4c2b9e6d1a7f3b20"
_SESSION: SessionJson = {
    "attendance_id": "1", "class": "H51901", "date": "2026-11-29", "period": "上午",
    "startTime": "2026/11/29 08:50:00", "endTime": "2026/11/29 09:20:00", "isOpen": False, "total": 38,
    "attended": 36, "late": 1, "early": 0, "leave": 1, "absent": 1, "user_nickname": "五五开",
}  # fmt: skip
_RECORD: RecordJson = {
    "sId": "WWLN97178546", "name": "谭鹏", "class": "H51901", "attendanceStatus": "出勤",
    "signTime": "2026/11/29 08:58:10", "way": "扫码", "remark": "", "flag": "",
}  # fmt: skip
_SUMMARY: SummaryJson = {
    "sId": "WWLN97178546", "name": "谭鹏", "class": "H51901", "shouldAttend": 40, "attended": 38, "late": 2,
    "early": 0, "leave": 1, "absent": 2, "rate": 0.95,
}  # fmt: skip
_ON_LEAVE: SummaryJson = {
    "sId": "QKTM20931845", "name": "王芳", "class": "H51901", "shouldAttend": 0, "attended": 0, "late": 0,
    "early": 0, "leave": 41, "absent": 0, "rate": None,
}  # fmt: skip
_BAD_DAY = BadParameter("from: 必须是日期,如 2026-11-29")
_BAD_PAGE = BadParameter("page: 必须是正整数")

OPEN = Doc(
    ok={"status": 200, "state": True, "msg": "考勤已开始", "attendance_id": "1", "total": 38},
    params=params.OpenParams,
    failures=[errors.SessionExists(), ClassUnknown, BadParameter("缺少参数: class")],
    send={"class": "H51901"},
    about="班里在读的学员就是名单,请假的当天直接记为请假。到时间自动结束。",
)
_SIGN_URL = f"http://127.0.0.1:8000/attendance/sign?code={_CODE}"
CODE = Doc(
    ok={"status": 200, "state": True, "code": _CODE, "signUrl": _SIGN_URL, "expires_in": 10},
    params=params.CodeParams,
    failures=[errors.RecordMissing, SidUnknown],
    send={"attendance_id": "1"},
    about="把 `signUrl` 画成二维码。传了 `sid`,这个 socket 每 5 秒收到 `attendanceCode`,"
    "每次签到收到 `attendanceSigned`,结束时收到 `attendanceClosed`,见 /docs/socket/。"
    "一个 sid 只看一场考勤:再次请求时换成新的那场。",
)
SIGN = Doc(
    ok={"status": 200, "state": True, "msg": "签到成功", "attendanceStatus": "出勤"},
    params=params.SignParams,
    failures=[errors.CodeExpired, errors.NotOnList, errors.AlreadySigned],
    send={"code": _CODE},
    about="账号要对应名单上的学员:为班级开的账号自动对应,其他的由老师指定。同一台设备的第二个账号也能签到,老师会看到“同一设备”。"
    "浏览器直接打开这个地址(GET)是手机签到页。",
)
MARK = Doc(
    ok={"status": 200, "state": True, "msg": "修改成功"},
    params=params.MarkParams,
    failures=[errors.RecordMissing, errors.NothingChanged, NotPermitted],
    send={"attendance_id": "1", "sId": "WWLN97178546", "attendanceStatus": "请假", "remark": "病假"},
    about="考勤结束后也可以改。",
)
CLOSE = Doc(
    ok={"status": 200, "state": True, "msg": "考勤已结束"},
    params=params.CloseParams,
    failures=[errors.RecordMissing, errors.NothingChanged],
    send={"attendance_id": "1"},
    about="还没有签到的记为旷课。到时间会自动结束。",
)
LIST = Doc(
    ok={"status": 200, "state": True, "msg": "获取成功", "total": 1, "data": [_SESSION]},
    records={"data": list[SessionJson]},
    params=params.RangeParams,
    failures=[_BAD_PAGE, _BAD_DAY],
    about="最新的在前;不传 `from`、`to` 是最近 30 天。",
)
RECORDS = Doc(
    ok={"status": 200, "state": True, "msg": "获取成功", "total": 1, "data": [_RECORD]},
    records={"data": list[RecordJson]},
    params=params.RecordsParams,
    failures=[errors.RecordMissing],
    send={"attendance_id": "1"},
)
SUMMARY = Doc(
    ok={"status": 200, "state": True, "msg": "获取成功", "total": 2, "data": [_ON_LEAVE, _SUMMARY]},
    records={"data": list[SummaryJson]},
    params=params.SummaryParams,
    failures=[_BAD_PAGE, _BAD_DAY],
    about="每名学员在每个班级一行;不传 `from`、`to` 是本月。角色没有 `/attendance/getRecords` 的只看到自己。",
)
