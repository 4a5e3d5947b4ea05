"""Attendance in the back office: sessions, each with its grid and its projected page; leave; a month's sheet."""

from calendar import monthrange
from collections.abc import Iterable
from datetime import date, timedelta
from io import BytesIO
from typing import Any, ClassVar

import segno
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import path, reverse
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from attendance import selectors, services
from attendance.errors import NothingChanged
from attendance.models import ATTENDED, Leave, Period, Session, Status
from attendance.month import MonthSheet, month_sheet
from attendance.selectors import Numbers
from core import times
from core.admin.base import OfficeAdmin
from core.admin.password import require_password
from core.api.request import absolute_url
from core.audit import StaffAction, action_record
from core.errors import DomainError
from core.sheets.write import Page, book_write, download
from permissions.scope import EVERYTHING, Scope, scope_of
from runs.exports import ExportableAdmin, ExportColumn
from students.classes import class_rows
from students.models import ClassState
from students.selectors import student_get

MAX_CODE = 100
DAYS = [MinValueValidator(date(2000, 1, 1)), MaxValueValidator(date(2100, 12, 31))]  # as the API has them
_VIEW, _CHANGE = "attendance.view_session", "attendance.change_session"


class OpenForm(forms.Form):
    """A session that is to be opened: the bar above the list."""

    class_name = forms.CharField(label="班级", max_length=64)
    date = forms.DateField(label="日期", validators=DAYS)
    period = forms.TypedChoiceField(label="时段", choices=Period.choices, coerce=int)
    late_after = forms.IntegerField(label="几分钟后算迟到", min_value=0, max_value=24 * 60, initial=10)
    minutes = forms.IntegerField(label="开放几分钟", min_value=1, max_value=24 * 60, initial=30)


class ClassFilter(admin.SimpleListFilter):
    title, parameter_name = "班级", "class"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        names = selectors.sessions(scope_of(request.user)).order_by("class_name")
        return [(name, name) for name in names.values_list("class_name", flat=True).distinct()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:
        return queryset.filter(class_name=self.value()) if self.value() else queryset


@admin.register(Session)
class SessionAdmin(ExportableAdmin):
    rights: ClassVar = {"view": "查看", "change": "开考勤、修改", "delete": "删除", "export": "导出"}
    list_display = ["class_name", "date", "period", "state", "numbers", "absent", "opener"]
    list_filter = [ClassFilter, "period"]
    list_filter_submit = True
    list_before_template = "attendance/session_bar.html"
    search_fields = ["class_name"]
    date_hierarchy = "date"
    export_columns = (
        ExportColumn("班级", 14, lambda row: row[0].class_name),
        ExportColumn("日期", 12, lambda row: row[0].date),
        ExportColumn("时段", 8, lambda row: row[0].get_period_display()),
        ExportColumn("名单", 8, lambda row: row[1].total, is_summed=True),
        ExportColumn("实际出勤", 8, lambda row: row[1].attended, is_summed=True),
        ExportColumn("迟到", 8, lambda row: row[1].late, is_summed=True),
        ExportColumn("早退", 8, lambda row: row[1].early, is_summed=True),
        ExportColumn("请假", 8, lambda row: row[1].leave, is_summed=True),
        ExportColumn("旷课", 8, lambda row: row[1].absent, is_summed=True),
    )

    def export_loaded(self, rows: Iterable[Session]) -> Iterable[tuple[Session, Numbers]]:
        sessions = list(rows)
        numbers = selectors.numbers_of(sessions, times.now())  # who sees a session only in part has no export
        return ((session, numbers[session.pk]) for session in sessions)

    def may_export(self, request: HttpRequest) -> bool:
        return super().may_export(request) and not scope_of(request.user).is_own_only

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        rows = changelist.result_list = list(changelist.result_list)
        numbers = selectors.numbers_of(rows, times.now(), scope_of(request.user))
        for row in rows:
            row.numbers_now = numbers[row.pk]
        return changelist

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        return super().get_queryset(request).filter(scope_of(request.user).visible()).select_related("created_by")

    def get_urls(self) -> list[Any]:
        def at(route: str, view: Any, name: str) -> Any:
            return path(route, self.admin_site.admin_view(view), name=f"attendance_session_{name}")

        return [
            at("open/", self.open_page, "open"),
            at("month/", self.month_page, "month"),
            at("<int:pk>/screen/", self.screen_page, "screen"),
            at("<int:pk>/screen/code/", self.code_page, "code"),
            at("<int:pk>/screen/qr.svg", self.qr_page, "qr"),
            *super().get_urls(),
        ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # a session is opened in the bar above the list

    def has_delete_permission(self, request: HttpRequest, obj: Session | None = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or scope_of(request.user).may_change(obj))

    @display(description="状态")
    def state(self, session: Session) -> str:
        return "进行中" if session.is_open(times.now()) else "已结束"

    @display(description="出勤 / 名单")
    def numbers(self, session: Any) -> str:
        return f"{session.numbers_now.attended} / {session.numbers_now.total}"

    @display(description="旷课")
    def absent(self, session: Any) -> int:
        return int(session.numbers_now.absent)

    @display(description="谁开的")
    def opener(self, session: Session) -> str:
        return str(session.created_by or "—")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        now = times.now()
        facts = {"may_change": request.user.has_perm(_CHANGE), "month": times.local(now).strftime("%Y-%m")}
        if facts["may_change"]:
            initial = {"date": times.local(now).date(), "period": Period.at(now)}
            names = class_rows(scope_of(request.user)).filter(state=ClassState.OPEN).values_list("name", flat=True)
            facts |= {"open_form": OpenForm(initial=initial), "class_names": list(names)}
        return super().changelist_view(request, facts | (extra_context or {}))

    def open_page(self, request: HttpRequest) -> HttpResponse:
        """Open a session and go to its projected page; if there is one already, to that."""
        _require(request, _CHANGE)
        form, now = OpenForm(request.POST), times.now()
        if request.method != "POST" or not form.is_valid():
            for name, errors in form.errors.items():
                messages.error(request, f"{form.fields[name].label}：{errors[0]}")
            return HttpResponseRedirect(reverse("admin:attendance_session_changelist"))
        values = form.cleaned_data
        try:
            session, _ = services.session_open(
                class_name=values["class_name"],
                day=values["date"],
                period=Period(values["period"]),
                late_after=timedelta(minutes=values["late_after"]),
                open_for=timedelta(minutes=values["minutes"]),
                now=now,
                scope=scope_of(request.user),
            )
        except DomainError as refusal:
            messages.error(request, refusal.msg)
            pk = refusal.extra.get("attendance_id")
            name, args = ("change", [pk]) if pk else ("changelist", [])
            return HttpResponseRedirect(reverse(f"admin:attendance_session_{name}", args=args))
        return HttpResponseRedirect(reverse("admin:attendance_session_screen", args=[session.pk]))

    # --- A session: its grid ---
    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show a session's list as a grid in which each status is one key."""
        _require(request, _VIEW)
        scope, now = scope_of(request.user), times.now()
        session = self._session(request, object_id)
        may_change = request.user.has_perm(_CHANGE) and scope.may_change(session)
        if request.method == "POST":
            if not may_change:
                raise PermissionDenied
            (self._close if "close" in request.POST else self._mark)(request, session, scope)
            return HttpResponseRedirect(request.path)
        records = list(selectors.records_of(session, scope))
        context = self.admin_site.each_context(request) | {
            "title": str(session),
            "session": session,
            "opts": self.opts,
            "is_open": session.is_open(now),
            "rows": [(record, record.status_in(session, now)) for record in records],
            "statuses": [status for status in Status if session.is_open(now) or status != Status.UNSIGNED],
            "may_change": may_change,
            "may_delete": self.has_delete_permission(request, session),
        }
        return render(request, "attendance/grid.html", context)

    def _session(self, request: HttpRequest, pk: object) -> Session:
        try:
            return selectors.session_get(int(str(pk)), scope_of(request.user))
        except (DomainError, ValueError, OverflowError):
            raise Http404 from None

    def _close(self, request: HttpRequest, session: Session, scope: Scope) -> None:
        try:
            services.session_close(pk=session.pk, now=times.now(), scope=scope)
            messages.success(request, "考勤已结束，没有签到的记为旷课")
        except NothingChanged:
            messages.warning(request, "考勤已经结束")

    def _mark(self, request: HttpRequest, session: Session, scope: Scope) -> None:
        """Store what differs from what the page has shown; who has changed since then stays, and is named."""
        now, changes, others = times.now(), [], []
        for record in selectors.records_of(session, scope):
            shown, chosen = (_status(request.POST.get(f"{part}-{record.pk}")) for part in ("was", "is"))
            remark = request.POST.get(f"remark-{record.pk}", record.remark).replace("\x00", "").strip()[:200]
            present = record.status_in(session, now)
            if chosen is None or (chosen == shown and remark == record.remark):
                continue
            if chosen != shown and present not in (shown, chosen):
                others.append(f"{record.name}（{present.label}）")
                continue
            try:
                new = chosen if chosen != shown else None
                facts: dict[str, Any] = {"status": new, "remark": remark, "now": now, "scope": scope}
                done = services.record_mark(pk=session.pk, sid=record.sid, **facts)
            except DomainError:
                continue  # a colleague has done the same
            changes.append(f"{done.name} {present.label} → {Status(done.status).label}")
        if changes:
            action_record(session, StaffAction.BULK, {"考勤": "；".join(changes)})
            messages.success(request, f"已修改 {len(changes)} 名")
        if others:
            messages.warning(request, f"刚才有变化，没有修改：{'、'.join(others)}。请核对后再改")

    # --- A session: its projected page ---
    def screen_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        _require(request, _CHANGE)
        session, now = self._session(request, pk), times.now()
        records = list(selectors.records_of(session, scope_of(request.user)))
        facts = [(record, record.status_in(session, now)) for record in records]
        context = {
            "session": session,
            "is_open": session.is_open(now),
            "rows": facts,
            "signed": sum(status in ATTENDED for _, status in facts),
        }
        return render(request, "attendance/screen.html", context)

    def code_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Answer as ``/attendance/getCode`` does, to the login of the back office."""
        _require(request, _CHANGE)
        sid, base, scope = request.GET.get("sid", ""), absolute_url(request, ""), scope_of(request.user)
        try:
            facts = services.session_code(pk=pk, base=base, sid=sid, now=times.now(), scope=scope)
        except DomainError as refusal:
            return JsonResponse(refusal.body())
        return JsonResponse({"status": 200, "state": True} | facts)

    def qr_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        _require(request, _CHANGE)
        drawing = BytesIO()
        url = f"{absolute_url(request, services.SIGN_PATH)}?code={request.GET.get('code', '')[:MAX_CODE]}"
        segno.make_qr(url).save(drawing, kind="svg", omitsize=True, light="#fff", border=2)
        return HttpResponse(drawing.getvalue(), content_type="image/svg+xml")

    # --- A month of a class ---
    def month_page(self, request: HttpRequest) -> HttpResponse:
        """Show a class's month on paper, or as Excel."""
        if not super().may_export(request):
            raise PermissionDenied
        try:
            first = date.fromisoformat(f"{request.GET.get('month', '')}-01")
            last = first.replace(day=monthrange(first.year, first.month)[1])
        except ValueError:
            raise Http404 from None
        name = request.GET.get("class", "").replace("\x00", "").strip()[:64]
        sheet = month_sheet(name, first, last, now=times.now(), scope=scope_of(request.user))
        back = reverse("admin:attendance_session_changelist")
        if not sheet.rows:
            messages.warning(request, f"{name} 这个月没有考勤")
            return HttpResponseRedirect(back)
        require_password(request, is_download=True)
        title = f"考勤表-{name}-{first:%Y-%m}"
        action_record(request.user, StaffAction.EXPORT, {"文件": title, "行数": str(len(sheet.rows))})
        if request.GET.get("format") == "xlsx":
            return download(f"{title}.xlsx".replace("/", "_"), _month_book(title, sheet))
        context = {"title": title, "class_name": name, "first": first, "sheet": sheet, "back": back}
        return render(request, "attendance/month.html", context | {"query": request.GET.urlencode()})


class LeaveForm(forms.ModelForm):  # type: ignore[type-arg]
    scope: Scope = EVERYTHING
    sid = forms.CharField(label="学号", max_length=12, help_text="学员列表里有学号", widget=UnfoldAdminTextInputWidget)

    class Meta:
        model = Leave
        fields = ["sid", "begins_on", "ends_on", "reason"]

    def clean_sid(self) -> str:
        try:
            self.instance.student = student_get(self.cleaned_data["sid"].strip().upper(), self.scope)
        except DomainError:
            raise forms.ValidationError("没有这个学号") from None
        self.instance.name = self.instance.student.name
        return str(self.instance.student.sid)


@admin.register(Leave)
class LeaveAdmin(OfficeAdmin):
    """Leave entered ahead. Who may see and change sessions may see and change it."""

    form = LeaveForm
    rights: ClassVar = {}
    list_display = ["name", "sid", "begins_on", "ends_on", "reason"]
    search_fields = ["name", "sid__istartswith"]
    search_help_text = "姓名中的任意一段，或学号的开头"
    fields = ["sid", "begins_on", "ends_on", "reason"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Leave]:
        return super().get_queryset(request).filter(scope_of(request.user).visible("student__"))

    def get_form(self, request: HttpRequest, obj: Leave | None = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        form.scope = scope_of(request.user)
        return form

    def save_model(self, request: HttpRequest, obj: Leave, form: Any, change: bool) -> None:
        if not change:
            obj.created_by_id = request.user.pk
        super().save_model(request, obj, form, change)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Leave | None = None) -> bool:
        return request.user.has_perm(_VIEW)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(_CHANGE)

    def has_change_permission(self, request: HttpRequest, obj: Leave | None = None) -> bool:
        return request.user.has_perm(_CHANGE) and (obj is None or scope_of(request.user).may_change(obj))

    has_delete_permission = has_change_permission


def _require(request: HttpRequest, right: str) -> None:
    if not request.user.has_perms({_VIEW, right}):
        raise PermissionDenied


def _status(text: str | None) -> Status | None:
    return Status(int(text)) if text in {str(status.value) for status in Status} else None


def _month_book(title: str, sheet: MonthSheet) -> bytes:
    head = ["姓名", "学号", *sheet.heads, *sheet.sums]
    rows: Iterable[list[Any]] = ([row.name, row.sid, *row.marks, *row.sums] for row in sheet.rows)
    return book_write(Page(title[-31:], head, rows, [14, 16, *[8] * (len(head) - 2)], []))
