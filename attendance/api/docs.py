"""What ``/docs/`` shows of the attendance calls."""

from accounts.errors import CeilingReached, SidUnknown
from attendance import errors
from attendance.api import params
from attendance.api.rows import RecordJson, SessionJson, SummaryJson
from core.api.endpoint import Doc
from core.errors import BadParameter, NothingChanged, NotPermitted, RowUnknown
from students.errors import ClassUnknown

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
_ON_LEAVE: SummaryJson = _SUMMARY | {"shouldAttend": 0, "attended": 0, "late": 0, "absent": 0, "rate": None}
_BAD_PAGE = [
    BadParameter("page: 必须是正整数"),
    BadParameter("from: 必须是日期,如 2026-11-29"),
    BadParameter("from: 不能晚于to"),
]

OPEN = Doc(
    ok={"msg": "考勤已开始", "attendance_id": "1", "total": 38},
    params=params.OpenParams,
    failures=[
        *(errors.SessionExists(), ClassUnknown, BadParameter("缺少参数: class")),
        CeilingReached("练习账号最多50场考勤(24 小时内),请过些时候再开"),
    ],
    send={"class": "H51901"},
    about="班里在读的学员就是名单,请假的当天直接记为请假。到时间自动结束。",
)
CODE = Doc(
    ok={
        "code": _CODE, "expires_in": 10,
        "signUrl": f"http://127.0.0.1:8000/attendance/sign?code={_CODE}",
    },
    params=params.CodeParams,
    failures=[RowUnknown, SidUnknown],
    send={"attendance_id": "1"},
    about="把 `signUrl` 画成二维码。传了 `sid`,这个 socket 每 5 秒收到 `attendanceCode`,"
    "每次签到收到 `attendanceSigned`,结束时收到 `attendanceClosed`,见 /docs/socket/。"
    "一个 sid 只看一场考勤:再次请求时换成新的那场。",
)  # fmt: skip
SIGN = Doc(
    ok={"msg": "签到成功", "attendanceStatus": "出勤"},
    params=params.SignParams,
    failures=[errors.CodeExpired, errors.NotOnList, errors.AlreadySigned],
    send={"code": _CODE},
    about="账号要对应名单上的学员:为班级开的账号自动对应,其他的由老师指定。同一台设备的第二个账号也能签到,老师会看到“同一设备”。"
    "老师已经改为出勤、迟到、早退或旷课的,扫码不再改变,回答“已经签到”。"
    "浏览器直接打开这个地址(GET)是手机签到页。",
)
MARK = Doc(
    ok={"msg": "修改成功"},
    params=params.MarkParams,
    failures=[RowUnknown, NothingChanged, NotPermitted],
    send={"attendance_id": "1", "sId": "WWLN97178546", "attendanceStatus": "请假", "remark": "病假"},
    about="考勤结束后也可以改。",
)
CLOSE = Doc(
    ok={"msg": "考勤已结束"},
    params=params.SessionParams,
    failures=[RowUnknown, NothingChanged],
    send={"attendance_id": "1"},
    about="还没有签到的记为旷课。到时间会自动结束。",
)
LIST = Doc(
    ok={"msg": "获取成功", "total": 1, "data": [_SESSION]},
    records={"data": list[SessionJson]},
    params=params.ListParams,
    failures=_BAD_PAGE,
    about="最新的在前;不传 `from`、`to` 是最近 30 天。",
)
RECORDS = Doc(
    ok={"msg": "获取成功", "total": 1, "data": [_RECORD]},
    records={"data": list[RecordJson]},
    params=params.RecordsParams,
    failures=[RowUnknown],
    send={"attendance_id": "1"},
)
SUMMARY = Doc(
    ok={"msg": "获取成功", "total": 2, "data": [_ON_LEAVE, _SUMMARY]},
    records={"data": list[SummaryJson]},
    params=params.SummaryParams,
    failures=_BAD_PAGE,
    about="每名学员在每个班级一行;不传 `from`、`to` 是本月。角色没有 `/attendance/getRecords` 的只看到自己。",
)
