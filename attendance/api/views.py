"""The attendance calls (考勤管理)."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from django.http import HttpResponse

from accounts.authentication import CallerRequest
from accounts.login_request import device_of
from attendance import selectors, services
from attendance.api import docs, params
from attendance.api.rows import record_json, session_json, summary_json
from attendance.codes import code_read
from attendance.models import Status
from attendance.phone import scanned_page
from attendance.services import SIGN_PATH
from core import times
from core.api.access import Access
from core.api.endpoint import ApiViewSet, Endpoint
from core.api.envelope import Envelope, ok
from core.api.params import page_of, page_slice
from core.api.request import absolute_url
from permissions.scope import EVERYTHING
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
        body = params.OpenParams.read(request)
        session, total = services.session_open(**body, now=times.now(), scope=request.user.scope)
        return ok("考勤已开始", attendance_id=str(session.pk), total=total)

    @Endpoint("GET", "/attendance/getCode", "获取签到二维码", Access.ROWS, docs=docs.CODE)
    def get_code(self, request: CallerRequest) -> Envelope:
        query, base = params.CodeParams.read(request), absolute_url(request, "")
        return ok(**services.session_code(**query, base=base, now=times.now(), scope=request.user.scope))

    # In read-only hours too: a class that may change nothing is still there.
    @Endpoint("POST", SIGN_PATH, "签到", Access.ANY_USER, docs=docs.SIGN, is_reading=True)
    def sign(self, request: CallerRequest) -> Envelope:
        body, now = params.SignParams.read(request), times.now()
        device = body.get("device") or device_of(request)
        pk = code_read(body["code"], now)
        record = services.session_sign(pk=pk, user_pk=request.user.pk, device=device, at=now, now=now)
        return ok("签到成功", attendanceStatus=Status(record.status).label)

    @Endpoint("POST", "/attendance/mark", "修改考勤", Access.ROWS, docs=docs.MARK)
    def mark(self, request: CallerRequest) -> Envelope:
        services.record_mark(**params.MarkParams.read(request), now=times.now(), scope=request.user.scope)
        return ok("修改成功")

    @Endpoint("POST", "/attendance/close", "结束考勤", Access.ROWS, docs=docs.CLOSE)
    def close(self, request: CallerRequest) -> Envelope:
        services.session_close(**params.SessionParams.read(request), now=times.now(), scope=request.user.scope)
        return ok("考勤已结束")

    @Endpoint("GET", "/attendance/getList", "获取考勤场次", Access.ROWS, docs=docs.LIST, is_quick=True)
    def get_list(self, request: CallerRequest) -> Envelope:
        query, now = params.ListParams.read(request), times.now()
        first, last = _days(query, lambda newest: newest - timedelta(days=LIST_DAYS - 1))
        class_name, scope = query["class_name"], request.user.scope
        found = selectors.sessions_found(class_name=class_name, first=first, last=last, scope=scope)
        total, sessions = page_of(found, query)
        loaded = selectors.statuses_load(sessions, scope)
        return ok("获取成功", total=total, data=[session_json(one, now) for one in loaded])

    @Endpoint("GET", "/attendance/getRecords", "获取考勤记录", Access.ROWS, docs=docs.RECORDS, is_quick=True)
    def get_records(self, request: CallerRequest) -> Envelope:
        query, scope, now = params.RecordsParams.read(request), request.user.scope, times.now()
        session = selectors.session_get(query["pk"], scope)
        total, records = page_of(selectors.records_of(session, scope), query)
        return ok("获取成功", total=total, data=[record_json(one, session, now) for one in records])

    @Endpoint("GET", "/attendance/getSummary", "获取考勤汇总", Access.ROWS, docs=docs.SUMMARY, is_quick=True)
    def get_summary(self, request: CallerRequest) -> Envelope:
        query, me = params.SummaryParams.read(request), request.user
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
