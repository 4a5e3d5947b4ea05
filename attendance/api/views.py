"""The attendance calls (考勤管理)."""

from datetime import date, timedelta
from typing import Any

from django.http import HttpResponse

from accounts.authentication import CallerRequest
from accounts.login_request import device_of
from attendance import selectors, services
from attendance.api import docs, params
from attendance.codes import code_read
from attendance.errors import CodeExpired
from attendance.models import Period, Record, Status
from attendance.phone import scanned_page
from attendance.services import SIGN_PATH
from core import times
from core.api.access import Access
from core.api.endpoint import ApiViewSet, Endpoint
from core.api.envelope import Envelope, ok
from core.api.params import page_of
from core.api.request import absolute_url
from students.selectors import student_of_account

LIST_DAYS = 30


class AttendanceViewSet(ApiViewSet):
    tag = "考勤模块"

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        # A phone that scans the code opens with GET what a client calls with POST.
        if self.endpoint.path == SIGN_PATH and request.method in {"GET", "HEAD"}:
            return scanned_page(request)
        return super().dispatch(request, *args, **kwargs)

    @Endpoint("POST", "/attendance/open", "开始考勤", Access.ROWS, docs=docs.OPEN)
    def open(self, request: CallerRequest) -> Envelope:
        body, now = params.OpenParams.read(request), times.now()
        session, total = services.session_open(
            class_name=body["class"],
            day=body.get("date") or times.local(now).date(),
            period=body.get("period") or Period.at(now),
            late_after=timedelta(minutes=body["lateAfter"]),
            open_for=timedelta(minutes=body["minutes"]),
            now=now,
            scope=request.user.scope,
        )
        return ok("考勤已开始", attendance_id=str(session.pk), total=total)

    @Endpoint("GET", "/attendance/getCode", "获取签到二维码", Access.ROWS, docs=docs.CODE)
    def get_code(self, request: CallerRequest) -> Envelope:
        query = params.CodeParams.read(request)
        facts = services.session_code(
            pk=query["attendance_id"],
            base=absolute_url(request, ""),
            sid=query.get("sid", ""),
            now=times.now(),
            scope=request.user.scope,
        )
        return ok(**facts)

    # In read-only hours too: a class that may change nothing is still there.
    @Endpoint("POST", SIGN_PATH, "签到", Access.ANY_USER, docs=docs.SIGN, is_reading=True)
    def sign(self, request: CallerRequest) -> Envelope:
        body, now = params.SignParams.read(request), times.now()
        pk = code_read(body["code"], now)
        if pk is None:
            raise CodeExpired
        record = services.session_sign(
            pk=pk, user_pk=request.user.pk, device=body.get("device") or device_of(request), at=now, now=now
        )
        return ok("签到成功", attendanceStatus=Status(record.status).label)

    @Endpoint("POST", "/attendance/mark", "修改考勤", Access.ROWS, docs=docs.MARK)
    def mark(self, request: CallerRequest) -> Envelope:
        body = params.MarkParams.read(request)
        services.record_mark(
            pk=body["attendance_id"],
            sid=body["sId"],
            status=body.get("attendanceStatus"),
            remark=body.get("remark"),
            now=times.now(),
            scope=request.user.scope,
        )
        return ok("修改成功")

    @Endpoint("POST", "/attendance/close", "结束考勤", Access.ROWS, docs=docs.CLOSE)
    def close(self, request: CallerRequest) -> Envelope:
        pk = params.CloseParams.read(request)["attendance_id"]
        services.session_close(pk=pk, now=times.now(), scope=request.user.scope)
        return ok("考勤已结束")

    @Endpoint("GET", "/attendance/getList", "获取考勤场次", Access.ROWS, docs=docs.LIST, is_quick=True)
    def get_list(self, request: CallerRequest) -> Envelope:
        query, now = params.RangeParams.read(request), times.now()
        today = times.local(now).date()
        first = query.get("from") or min(query.get("to") or today, today) - timedelta(days=LIST_DAYS - 1)
        found = selectors.sessions_found(
            class_name=query.get("class", ""), first=first, last=_last(query), scope=request.user.scope
        )
        total, sessions = page_of(found, query)
        numbers = selectors.numbers_of(sessions, now, request.user.scope)
        return ok("获取成功", total=total, data=[docs.session_json(one, numbers[one.pk], now) for one in sessions])

    @Endpoint("GET", "/attendance/getRecords", "获取考勤记录", Access.ROWS, docs=docs.RECORDS, is_quick=True)
    def get_records(self, request: CallerRequest) -> Envelope:
        query, scope, now = params.RecordsParams.read(request), request.user.scope, times.now()
        session = selectors.session_get(query["attendance_id"], scope)
        total, records = page_of(selectors.records_of(session, scope), query)
        return ok("获取成功", total=total, data=[docs.record_json(one, session, now) for one in records])

    @Endpoint("GET", "/attendance/getSummary", "获取考勤汇总", Access.ROWS, docs=docs.SUMMARY, is_quick=True)
    def get_summary(self, request: CallerRequest) -> Envelope:
        query, me, now = params.SummaryParams.read(request), request.user, times.now()
        today = times.local(now).date()
        first = query.get("from") or min(query.get("to") or today, today).replace(day=1)
        student_pk = None
        if not me.role.may_call(["/attendance/getRecords"], Access.ROWS):  # sees the own rows alone
            student = student_of_account(me.pk)
            student_pk = student.pk if student else 0
        found = selectors.summary(
            first=first,
            last=_last(query),
            now=now,
            class_name=query.get("class", ""),
            key=query.get("key", ""),
            student_pk=student_pk,
            scope=me.scope,
        )
        total, rows = page_of(found, query)
        newest = Record.objects.in_bulk([row["newest"] for row in rows])
        return ok("获取成功", total=total, data=[docs.summary_json(row, newest[row["newest"]]) for row in rows])


def _last(query: dict[str, Any]) -> date:
    return query.get("to") or date.max
