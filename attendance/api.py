"""The attendance calls (考勤管理): what they take, what clients read, what ``/docs/`` shows, and what they do."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Annotated, Any, TypedDict

from django.http import HttpResponse

from accounts.authentication import CallerRequest
from accounts.errors import CeilingReached, SidUnknown
from accounts.login_request import device_of
from attendance import errors, selectors, services
from attendance.codes import code_read
from attendance.models import Period, Record, Session, Status, Way
from attendance.scan_page import scanned_page
from attendance.selectors import Numbers, attendance_rate, session_numbers
from attendance.services import SIGN_PATH
from core import times
from core.api.access import Access
from core.api.endpoint import ApiViewSet, Doc, Endpoint
from core.api.envelope import Envelope, ok
from core.api.params import Between, Day, OneOf, PageParams, Params, PlainText, RowId, SpanParams, page_of, page_slice
from core.api.request import absolute_url
from core.errors import BadParameter, NothingChanged, NotPermitted, RowUnknown
from core.times import format_api_time
from permissions.scope import EVERYTHING
from students.errors import ClassUnknown
from students.selectors import student_of_account

DAY_MIN = 24 * 60
LIST_DAYS = 30


# --- What the calls take ---
class Label(OneOf):
    """One of the labels of an enumeration; its member is read."""

    def __init__(self, kind: type[Period | Status], **options: Any) -> None:
        self.members = {str(member.label): member for member in kind}
        super().__init__([*self.members], **options)

    def to_internal_value(self, data: Any) -> Any:
        return self.members[super().to_internal_value(data)]


class OpenParams(Params):
    class_ = PlainText(source="class_name", max_length=64, help_text="班级")
    date = Day(source="day", required=False, help_text="日期,默认今天")
    period = Label(Period, required=False, help_text="时段,默认按现在的时间:12 点前上午,18 点前下午")
    lateAfter = Between(
        0,
        DAY_MIN,
        source="late_after_min",
        required=False,
        help_text="开始多少分钟后签到算迟到,默认 10;0:一开始就算",
    )
    minutes = Between(1, DAY_MIN, source="open_for_min", required=False, help_text="开放多少分钟,默认 30,之后自动结束")


class SessionParams(Params):
    attendance_id = RowId(source="pk", help_text="考勤的 attendance_id")


class CodeParams(SessionParams):
    sid = PlainText(
        source="socket_sid", required=False, help_text="socket 的 sid;传了,这个 socket 就收到之后的二维码和签到"
    )


class SignParams(Params):
    code = PlainText(max_length=200, help_text="二维码里的 code")
    device = PlainText(required=False, max_length=64, help_text="设备的标识,默认用登入时的 cookie")


class MarkParams(SessionParams):
    sId = PlainText(source="sid", help_text="学员的 sId")
    attendanceStatus = Label(Status, source="status", required=False, help_text="新的考勤状态")
    remark = PlainText(required=False, allow_blank=True, max_length=200, help_text="备注")


class RecordsParams(SessionParams, PageParams):
    pass


class ListParams(SpanParams, PageParams):
    class_ = PlainText(source="class_name", default="", help_text="只要这个班级,默认全部")


class SummaryParams(ListParams):
    key = PlainText(default="", help_text="姓名中的任意一段")


# --- Sessions, records and summaries as clients read them ---
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


# --- What /docs/ shows of the calls ---
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
    params=OpenParams,
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
    params=CodeParams,
    failures=[RowUnknown, SidUnknown],
    send={"attendance_id": "1"},
    about="把 `signUrl` 画成二维码。传了 `sid`,这个 socket 每 5 秒收到 `attendanceCode`,"
    "每次签到收到 `attendanceSigned`,结束时收到 `attendanceClosed`,见 /docs/socket/。"
    "一个 sid 只看一场考勤:再次请求时换成新的那场。",
)  # fmt: skip
SIGN = Doc(
    ok={"msg": "签到成功", "attendanceStatus": "出勤"},
    params=SignParams,
    failures=[errors.CodeExpired, errors.NotOnList, errors.AlreadySigned],
    send={"code": _CODE},
    about="账号要对应名单上的学员:为班级开的账号自动对应,其他的由老师指定。同一台设备的第二个账号也能签到,老师会看到“同一设备”。"
    "老师已经改为出勤、迟到、早退或旷课的,扫码不再改变,回答“已经签到”。"
    "浏览器直接打开这个地址(GET)是手机签到页。",
)
MARK = Doc(
    ok={"msg": "修改成功"},
    params=MarkParams,
    failures=[RowUnknown, NothingChanged, NotPermitted],
    send={"attendance_id": "1", "sId": "WWLN97178546", "attendanceStatus": "请假", "remark": "病假"},
    about="考勤结束后也可以改。",
)
CLOSE = Doc(
    ok={"msg": "考勤已结束"},
    params=SessionParams,
    failures=[RowUnknown, NothingChanged],
    send={"attendance_id": "1"},
    about="还没有签到的记为旷课。到时间会自动结束。",
)
LIST = Doc(
    ok={"msg": "获取成功", "total": 1, "data": [_SESSION]},
    records={"data": list[SessionJson]},
    params=ListParams,
    failures=_BAD_PAGE,
    about="最新的在前;不传 `from`、`to` 是最近 30 天。",
)
RECORDS = Doc(
    ok={"msg": "获取成功", "total": 1, "data": [_RECORD]},
    records={"data": list[RecordJson]},
    params=RecordsParams,
    failures=[RowUnknown],
    send={"attendance_id": "1"},
)
SUMMARY = Doc(
    ok={"msg": "获取成功", "total": 2, "data": [_ON_LEAVE, _SUMMARY]},
    records={"data": list[SummaryJson]},
    params=SummaryParams,
    failures=_BAD_PAGE,
    about="每名学员在每个班级一行;不传 `from`、`to` 是本月。角色没有 `/attendance/getRecords` 的只看到自己。",
)


# --- The calls ---
class AttendanceViewSet(ApiViewSet):
    tag = "考勤模块"

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        # A phone that scans the code opens with GET what a client calls with POST.
        if self.endpoint.path == SIGN_PATH and request.method in {"GET", "HEAD"}:
            return scanned_page(request)
        return super().dispatch(request, *args, **kwargs)

    @Endpoint("POST", "/attendance/open", "开始考勤", Access.ROWS, docs=OPEN)
    def open(self, request: CallerRequest) -> Envelope:
        body = OpenParams.read(request)
        session, total = services.session_open(**body, now=times.now(), scope=request.user.scope)
        return ok("考勤已开始", attendance_id=str(session.pk), total=total)

    @Endpoint("GET", "/attendance/getCode", "获取签到二维码", Access.ROWS, docs=CODE)
    def get_code(self, request: CallerRequest) -> Envelope:
        query, base = CodeParams.read(request), absolute_url(request, "")
        return ok(**services.session_code(**query, base=base, now=times.now(), scope=request.user.scope))

    # In read-only hours too: a class that may change nothing is still there.
    @Endpoint("POST", SIGN_PATH, "签到", Access.ANY_USER, docs=SIGN, is_reading=True)
    def sign(self, request: CallerRequest) -> Envelope:
        body, now = SignParams.read(request), times.now()
        device = body.get("device") or device_of(request)
        pk = code_read(body["code"], now)
        record = services.session_sign(pk=pk, user_pk=request.user.pk, device=device, at=now, now=now)
        return ok("签到成功", attendanceStatus=Status(record.status).label)

    @Endpoint("POST", "/attendance/mark", "修改考勤", Access.ROWS, docs=MARK)
    def mark(self, request: CallerRequest) -> Envelope:
        services.record_mark(**MarkParams.read(request), now=times.now(), scope=request.user.scope)
        return ok("修改成功")

    @Endpoint("POST", "/attendance/close", "结束考勤", Access.ROWS, docs=CLOSE)
    def close(self, request: CallerRequest) -> Envelope:
        services.session_close(**SessionParams.read(request), now=times.now(), scope=request.user.scope)
        return ok("考勤已结束")

    @Endpoint("GET", "/attendance/getList", "获取考勤场次", Access.ROWS, docs=LIST, is_quick=True)
    def get_list(self, request: CallerRequest) -> Envelope:
        query, now = ListParams.read(request), times.now()
        first, last = _days(query, lambda newest: newest - timedelta(days=LIST_DAYS - 1))
        class_name, scope = query["class_name"], request.user.scope
        found = selectors.sessions_found(class_name=class_name, first=first, last=last, scope=scope)
        total, sessions = page_of(found, query)
        loaded = selectors.statuses_load(sessions, scope)
        return ok("获取成功", total=total, data=[session_json(one, now) for one in loaded])

    @Endpoint("GET", "/attendance/getRecords", "获取考勤记录", Access.ROWS, docs=RECORDS, is_quick=True)
    def get_records(self, request: CallerRequest) -> Envelope:
        query, scope, now = RecordsParams.read(request), request.user.scope, times.now()
        session = selectors.session_get(query["pk"], scope)
        total, records = page_of(selectors.records_of(session, scope), query)
        return ok("获取成功", total=total, data=[record_json(one, session, now) for one in records])

    @Endpoint("GET", "/attendance/getSummary", "获取考勤汇总", Access.ROWS, docs=SUMMARY, is_quick=True)
    def get_summary(self, request: CallerRequest) -> Envelope:
        query, me = SummaryParams.read(request), request.user
        first, last = _days(query, lambda newest: newest.replace(day=1))
        sees_others = me.role.may_call(["/attendance/getRecords"], Access.ROWS)
        only: dict[str, Any] = {"name__contains": query["key"]} if query["key"] else {}
        if query["class_name"]:
            only["session__class_name"] = query["class_name"]
        if not sees_others:
            only["student"] = student_of_account(me.pk)
        found = selectors.summary(first, last, times.now(), me.scope if sees_others else EVERYTHING, **only)
        rows = list(found[page_slice(query)])
        data = [summary_json(*pair) for pair in selectors.with_newest_records(rows)]
        return ok("获取成功", total=rows[0]["total"] if rows else found.count(), data=data)


def _days(query: dict[str, Any], first_of: Callable[[date], date]) -> tuple[date, date]:
    """Return the first and last day; without ``from``, ``first_of`` makes the first one of the last, or of today."""
    today = times.local(times.now()).date()
    return query.get("from") or first_of(min(query.get("to") or today, today)), query.get("to") or date.max
