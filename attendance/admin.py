"""Attendance in the back office: sessions, each with its grid and its projected page; leave; a month's sheet."""

from calendar import monthrange
from collections.abc import Iterable
from typing import Any, ClassVar

import segno
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from unfold.widgets import UnfoldAdminTextInputWidget

from attendance import services
from attendance.api import OpenParams
from attendance.models import ATTENDED, Leave, Period, Record, Session, Status
from attendance.month import month_sheet
from attendance.selectors import Numbers, records_of, session_numbers, sessions_found, statuses_load
from core import times
from core.admin.base import OfficeAdmin, page_shown
from core.admin.password import require_password
from core.admin.tables import column
from core.api.request import absolute_url
from core.audit import StaffAction, action_record
from core.errors import DomainError, NothingChanged
from core.ids import pks_of, storable
from core.sheets.write import book_write, download
from permissions.admin import ScopedAdmin
from permissions.scope import scope_of
from runs.exports import ExportableAdmin, ExportColumn
from students.classes import campuses, class_rows
from students.filters import CampusFilter, EnteredFilter
from students.models import ClassState, Student
from students.selectors import student_get

_STATUSES: dict[str | None, Status] = {str(status.value): status for status in Status}  # as the grid sends them
_VIEW, _CHANGE = "attendance.view_session", "attendance.change_session"


def _summed(label: str, key: str) -> ExportColumn:
    return ExportColumn(label, 8, lambda session: _numbers(session)[key], is_summed=True)  # type: ignore[literal-required]


def _numbers(session: Session) -> Numbers:
    return session_numbers(session, times.now())


@admin.register(Session)
class SessionAdmin(ScopedAdmin, ExportableAdmin):
    rights: ClassVar = {"view": "查看", "change": "开考勤、修改", "delete": "删除", "export": "导出"}
    list_display = ["class_name", "date", "period", "state", "numbers", "absent", "created_by"]
    list_filter = [CampusFilter, "class_name", "period", EnteredFilter]
    list_filter_submit = True
    list_before_template = "attendance/session_bar.html"
    search_fields = ["class_name"]
    date_hierarchy = "date"
    list_per_page = 50
    state = column("状态", lambda session: "进行中" if session.is_open(times.now()) else "已结束")
    numbers = column("出勤 / 名单", lambda session: f"{_numbers(session)['attended']} / {len(session.statuses)}")
    absent = column("旷课", lambda session: _numbers(session)["absent"])
    export_columns = (
        ExportColumn("班级", 14, lambda session: session.class_name),
        ExportColumn("日期", 12, lambda session: session.date),
        ExportColumn("时段", 8, lambda session: session.get_period_display()),
        ExportColumn("名单", 8, lambda session: len(session.statuses), is_summed=True),
        *map(_summed, ("实际出勤", "迟到", "早退", "请假", "旷课"), Numbers.__annotations__),
    )

    def may_export(self, request: HttpRequest) -> bool:
        return self.has_export_right(request) and not scope_of(request.user).is_narrow

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        return sessions_found(scope=scope_of(request.user))

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        changelist.result_list = statuses_load(changelist.result_list, scope_of(request.user))
        return changelist

    def export_loaded(self, rows: Iterable[Session]) -> Iterable[Session]:
        return statuses_load(rows)  # a user who sees a session only in part has no export

    def get_urls(self) -> list[Any]:
        def at(route: str, view: Any, name: str) -> Any:
            return path(route, self.admin_site.admin_view(view), name=f"attendance_session_{name}")

        return [
            at("open/", self.open_page, "open"),
            at("month/", self.month_page, "month"),
            at("<int:pk>/screen/", self.screen_page, "screen"),
            at("<int:pk>/screen/code/", self.code_page, "code"),
            *super().get_urls(),
        ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # a session is opened in the bar above the list

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        # The page that asks counts the records in sight and names none: some may be of students out of sight.
        _, _, missing_rights, protected = super().get_deleted_objects(objs, request)
        records = sum(len(session.statuses) for session in statuses_load(objs, scope_of(request.user)))
        counts = {self.opts.verbose_name: len(objs), Record._meta.verbose_name: records}
        return [str(session) for session in objs], counts, missing_rights, protected

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        now, scope = times.now(), scope_of(request.user)
        names = class_rows(scope).filter(state=ClassState.OPEN).values_list("name", flat=True)
        if campus := request.GET.get("campus"):
            names = names.filter(name__in=campuses(scope).get(campus, []))
        context = {
            "may_change": self.has_change_permission(request),
            "has_month": self.has_export_right(request),  # users who see sessions in part have it too
            "class_names": names,
            "today": times.local(now),
            "periods": [(period, period == Period.at(now)) for period in Period],
        }
        return super().changelist_view(request, context | (extra_context or {}))

    def open_page(self, request: HttpRequest) -> HttpResponse:
        """Open a session as the API does, and go to its projected page; if there is one already, to its list."""
        self._require_change(request)
        scope = scope_of(request.user)
        try:
            values = OpenParams.checked(request.POST)
            with transaction.atomic():
                session, number = services.session_open(**values, now=times.now(), scope=scope, roster_of=scope.school)
                if not number:
                    name = session.class_name
                    raise DomainError(f"{name} 没有在读的学员，没有开始。请先在“学员”里新增或导入；课堂的账号不是学员")
        except DomainError as refusal:
            messages.error(request, refusal.msg)
            if pk := refusal.extra.get("attendance_id"):
                return redirect("admin:attendance_session_change", pk)
            return redirect("admin:attendance_session_changelist")
        return redirect("admin:attendance_session_screen", session.pk)

    # --- A session: its grid ---
    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show a session's list as a grid in which each status is one key."""
        session, now = self.get_object(request, object_id), times.now()
        if session is None or not self.has_view_permission(request):
            raise PermissionDenied if not self.has_view_permission(request) else Http404
        may_change, is_open = self.has_change_permission(request, session), session.is_open(now)
        if request.method == "POST":
            if not may_change:
                raise PermissionDenied
            (self._close if "close" in request.POST else self._mark)(request, session)
            return HttpResponseRedirect(request.path)
        records = records_of(session, scope_of(request.user))
        context = {
            "session": session,
            "is_open": is_open,
            "rows": [(record, session.status_at(now, record.status)) for record in records],
            "statuses": [status for status in Status if is_open or status != Status.UNSIGNED],
            "may_change": may_change,
            "may_delete": self.has_delete_permission(request, session),
        }
        return page_shown(self, request, "attendance/grid.html", str(session), **context)

    def _close(self, request: HttpRequest, session: Session) -> None:
        try:
            services.session_close(pk=session.pk, now=times.now(), scope=scope_of(request.user))
            messages.success(request, "考勤已结束，没有签到的记为旷课")
        except NothingChanged:
            messages.warning(request, "考勤已经结束")

    def _mark(self, request: HttpRequest, session: Session) -> None:
        """Store what differs from what the page has shown; a record that changed since then stays, and is named."""
        data, marks = request.POST, {}
        for pk in pks_of(name.removeprefix("is-") for name in data if name.startswith("is-")):
            shown, chosen = (_STATUSES.get(data.get(f"{part}-{pk}")) for part in ("was", "is"))
            remark = data.get(f"remark-{pk}")
            if chosen is not None:
                marks[pk] = services.Mark(shown, chosen, None if remark is None else storable(remark, 200))
        changed, others = services.records_mark(
            pk=session.pk, marks=marks, now=times.now(), scope=scope_of(request.user)
        )
        if changed:
            changes = (f"{record.name} {before.label} → {Status(record.status).label}" for record, before in changed)
            action_record(session, StaffAction.BULK, {"考勤": "；".join(changes)})
            messages.success(request, f"已修改 {len(changed)} 名")
        if others:
            names = "、".join(f"{record.name}（{present.label}）" for record, present in others)
            messages.warning(request, f"刚才有变化，没有修改：{names}。请核对后再改")

    # --- A session: its projected page ---
    def screen_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        self._require_change(request)
        session, now = get_object_or_404(self.get_queryset(request), pk=pk), times.now()
        rows = [(one, session.status_at(now, one.status)) for one in records_of(session, scope_of(request.user))]
        context = {
            "session": session,
            "is_open": session.is_open(now),
            "rows": rows,
            "signed": sum(status in ATTENDED for _, status in rows),
        }
        return render(request, "attendance/screen.html", context)

    def code_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Answer as ``/attendance/getCode`` does, to the login of the back office, with the code as a drawing."""
        self._require_change(request)
        socket_sid, base, scope = request.GET.get("sid", ""), absolute_url(request, ""), scope_of(request.user)
        try:
            facts = services.session_code(pk=pk, base=base, socket_sid=socket_sid, now=times.now(), scope=scope)
        except DomainError as refusal:
            return JsonResponse(refusal.body())
        drawing = segno.make_qr(facts["signUrl"]).svg_data_uri(omitsize=True, light="#fff", border=2)
        return JsonResponse({"status": 200, "state": True, "qr": drawing} | facts)

    def _require_change(self, request: HttpRequest) -> None:
        if not (self.has_view_permission(request) and self.has_change_permission(request)):
            raise PermissionDenied

    # --- A month of a class ---
    def month_page(self, request: HttpRequest) -> HttpResponse:
        """Show a class's month on paper, or as Excel."""
        if not self.has_export_right(request):
            raise PermissionDenied
        first = times.day_of(f"{request.GET.get('month', '')}-01")
        if first is None:
            raise Http404
        last = first.replace(day=monthrange(first.year, first.month)[1])
        name = storable(request.GET.get("class", ""))
        sheet = month_sheet(name, first, last, now=times.now(), scope=scope_of(request.user).school)
        back = reverse("admin:attendance_session_changelist")
        if not (count := len(list(sheet.rows))):
            messages.warning(request, f"{name} 这个月没有考勤")
            return HttpResponseRedirect(back)
        require_password(request, is_download=True)
        action_record(request.user, StaffAction.EXPORT, {"文件": sheet.title, "行数": str(count)})
        if request.GET.get("format") == "xlsx":
            return download(f"{sheet.title}.xlsx".replace("/", "_"), book_write(sheet))
        context = {"title": sheet.title, "class_name": name, "first": first, "sheet": sheet, "back": back}
        return render(request, "attendance/month.html", context | {"query": request.GET.urlencode()})


class LeaveForm(forms.ModelForm):  # type: ignore[type-arg]
    request: HttpRequest
    columns: ClassVar = {"sid": ["sid", "student", "name"]}
    sid = forms.CharField(label="学号", max_length=32, help_text="学员列表里有学号", widget=UnfoldAdminTextInputWidget)

    def clean_sid(self) -> str:
        try:
            student = student_get(self.cleaned_data["sid"].strip().upper(), scope_of(self.request.user))
        except DomainError:
            raise forms.ValidationError("没有这个学号") from None
        self.instance.student, self.instance.name = student, student.name
        return student.sid


@admin.register(Leave)
class LeaveAdmin(OfficeAdmin):
    """Leave entered ahead. Users who may see and change sessions may see and change it."""

    form = LeaveForm
    rights: ClassVar = {}
    list_display = ["name", "sid", "begins_on", "ends_on", "reason"]
    search_fields = ["name", "sid__istartswith"]
    search_help_text = "姓名中的任意一段，或学号的开头"
    fields = ["sid", "begins_on", "ends_on", "reason"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Leave]:
        return super().get_queryset(request).filter(scope_of(request.user).visible("student__", of=Student))

    def save_model(self, request: HttpRequest, obj: Leave, form: Any, change: bool) -> None:
        if not change:
            obj.created_by_id = request.user.pk
        super().save_model(request, obj, form, change)

    def has_view_permission(self, request: HttpRequest, obj: Leave | None = None) -> bool:
        return request.user.has_perm(_VIEW)

    def has_change_permission(self, request: HttpRequest, obj: Leave | None = None) -> bool:
        return request.user.has_perm(_CHANGE) and (obj is None or scope_of(request.user).may_change(obj))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_change_permission(request)

    has_delete_permission = has_change_permission
