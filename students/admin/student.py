"""The list of students, quick at any number of them, and the page of one."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from operator import attrgetter
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db.models import F, Func, OrderBy, Q, QuerySet, SmallIntegerField
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from unfold.widgets import UnfoldAdminTextInputWidget

from core import times
from core.admin.base import MAX_COUNTED, AtLeast, KnownCount, OfficeAdmin
from core.admin.listing import is_complete, list_address, list_shown, query_kept
from core.admin.phones import RIGHT
from core.admin.tables import choice_column, column
from core.api.request import full_url
from core.audit import StaffAction, action_record
from core.times import format_office_time
from permissions.scope import scope_of
from runs.exports import ExportableAdmin, ExportColumn
from students import services
from students.admin.many import ManyAdmin
from students.classes import campuses
from students.columns import COLUMNS, CREATED, EDITABLE, PHOTO, STATE, hidden_fields, label_of, value_shown
from students.filters import ENTERED, FILTERS, STATES, filters_q, filters_read
from students.forms import StudentForm
from students.models import Student
from students.panels import account_act, account_panel, life_panel, student_panels
from students.selectors import archived_among, class_list, search_q, students_total, values_in_use
from students.transfer.admin import may_transfer, runs_seen
from uploads.forms import PictureAdmin

MAX_PRINTED = 500
SHOWN = ("phone_shown", "parent_phone_shown", "id_card_shown")
STATE_LABELS = {"在读": "success", "休学": "warning", "退学": "danger", "结业": "info"}
SEARCHED = "".join(f"、完整的{column.label}" for column in COLUMNS if column.is_searched and column.field != "sid")
NAME_ORDER = Func(F("name"), function="students_name_key")  # pinyin, as far as the characters are usual ones
FILTER_NAMES = {one.name for one in FILTERS}
# Query parameters that do not change how many students the list has.
_SAME_COUNT = {"p", "o", "all"}


def _partly(name: str) -> Any:
    """Make a column that shows a part of the field to users who may not see all of it."""
    return column(label_of(name), lambda student: value_shown(name, getattr(student, name)) or "—")


class HiddenColumns(OfficeAdmin):
    """A page that shows the phones and the identity card in part to users who may not see more."""

    phone_shown, parent_phone_shown, id_card_shown = _partly("phone"), _partly("parent_phone"), _partly("id_card")

    def unasked(self, request: HttpRequest) -> set[str]:
        return super().unasked(request) | hidden_fields(request.user)


def partly_hidden(names: list[str], user: Any) -> list[str]:
    """Put in the place of the fields that this user may not read the columns that show them in part."""
    hidden = hidden_fields(user)
    return [f"{name}_shown" if name in hidden else name for name in names]


class StudentList(ChangeList):
    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        # The filters of the bar above the table are no fields; StudentAdmin.get_search_results applies them.
        filters = super().get_filters_params(params)
        return {name: value for name, value in filters.items() if name not in FILTER_NAMES}

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """Order by one column, and within it in the direction in which the column's index can be read."""
        first: Any = super().get_ordering(request, queryset)[0]
        if isinstance(first, OrderBy):
            return [first, "pk" if first.descending else "-pk"]
        return [first, "pk" if first.startswith("-") else "-pk"] if first.lstrip("-") != "pk" else [first]

    def get_ordering_field(self, field_name: Any) -> Any:
        return NAME_ORDER if field_name == "name" else super().get_ordering_field(field_name)


def _chips(request: HttpRequest, filters: dict[str, str]) -> list[tuple[str, str]]:
    """Return what each set filter says, with the address of the list without it."""
    words = {one.name: f"{one.label} {filters[one.name]}" for one in FILTERS if one.name in filters}
    if text := request.GET.get("q", "").strip():
        words["q"] = f"搜索 {text}"
    chips = []
    for name, label in words.items():
        query = request.GET.copy()
        for parameter in (name, "p"):
            query.pop(parameter, None)
        chips.append((label, "?" + query.urlencode()))
    return chips


def _picture(url: str) -> str:
    return format_html('<img src="{}" alt="" loading="lazy" style="height:40px">', url) if url else "—"


@admin.register(Student)
class StudentAdmin(HiddenColumns, ExportableAdmin, ManyAdmin, PictureAdmin):
    form = StudentForm
    rights: ClassVar = {
        **OfficeAdmin.rights, "delete": "删除、归档", "export": "导出", "phone": RIGHT, "idcard": "看身份证号",
        "account": "关联、停用账号，重设密码",
    }  # fmt: skip
    change_form_outer_before_template = "students/student_bar.html"
    change_form_outer_after_template = "students/panels.html"
    export_columns = (
        *(ExportColumn(column.label, column.width, attrgetter(column.field)) for column in COLUMNS),
        ExportColumn(STATE, 8, lambda student: student.get_state_display()),
        ExportColumn(PHOTO, 40, lambda student: full_url(student.headimgurl)),
        ExportColumn(CREATED, 22, lambda student: student.created_at),
    )
    max_found = MAX_COUNTED + 1
    list_display = ["photo", "name", "sid", "class_name", "state_label", "age", "city", "degree", "created"]
    list_display_links = ["name"]
    photo = column("头像", lambda student: _picture(student.headimgurl))
    state_label = choice_column("state", "状态", STATE_LABELS)
    created = column("创建时间", lambda student: format_office_time(student.created_at), ordering="pk")
    list_per_page = 50
    list_before_template = "students/toolbar.html"
    search_fields = ["name"]
    search_help_text = (
        f"姓名中的任意一段（后面可加学号、电话或身份证的后四位）、学号的开头（至少两位）{SEARCHED}，或班级"
    )
    # These have an index; otherwise PostgreSQL would sort every student.
    sortable_by = ["name", "sid", "class_name", "age", "city", "degree", "created"]
    fields = [*EDITABLE, "photo", "no_picture", "picture", "sid", "created"]
    readonly_fields = ["photo", "sid", "created", *SHOWN]
    # Browsers refuse full-width digits in a field for numbers.
    formfield_overrides: ClassVar = {
        SmallIntegerField: {"widget": UnfoldAdminTextInputWidget({"inputmode": "numeric"})}
    }

    # --- The list ---
    def get_queryset(self, request: HttpRequest) -> QuerySet[Student]:
        return super().get_queryset(request).filter(scope_of(request.user).visible(of=Student))

    def export_columns_of(self, user: Any) -> Sequence[ExportColumn]:
        # Left out, not masked: an import of the file would take the stars for the number.
        hidden = {label_of(name) for name in hidden_fields(user)}
        return [column for column in self.export_columns if column.label not in hidden]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        text = search_term.strip()
        found = search_q(text, hidden_fields(request.user)) if text else Q()
        students = queryset.filter(filters_q(filters_read(request.GET)), found)
        if text and not is_complete(request):
            # Search once for the count and the page; no page beyond the paginator's count is opened.
            newest = list(students.order_by("-pk").values_list("pk", flat=True)[: self.max_found])
            # As an array, because 10,000 parameters of an IN took each statement 0.1 s.
            students = queryset.extra(where=["students_student.id = ANY(%s)"], params=[newest])
            request.found = min(AtLeast(MAX_COUNTED), len(newest))  # type: ignore[attr-defined]
        return students, False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return StudentList

    def export_name(self, request: HttpRequest) -> str:
        filters = filters_read(request.GET)
        parts = ("学员", filters.get("campus"), filters.get("class"), request.GET.get("q", "").strip()[:20])
        return "-".join(part for part in parts if part)

    def get_paginator(
        self, request: HttpRequest, queryset: QuerySet[Any], per_page: int, *args: Any, **kwargs: Any
    ) -> Any:
        if (found := getattr(request, "found", None)) is not None:
            return KnownCount(queryset, per_page, found)
        filters = filters_read(request.GET)
        is_known = not (request.GET.keys() - _SAME_COUNT - FILTER_NAMES or filters.keys() - {"class"})
        if queryset.model is not Student or not is_known:  # another model: the page of a student's history
            return super().get_paginator(request, queryset, per_page, *args, **kwargs)
        return KnownCount(queryset, per_page, students_total(filters.get("class", ""), scope=scope_of(request.user)))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        filters = filters_read(request.GET)
        if request.method == "GET" and (first := request.GET.get("created_at__gte")):
            # From the dashboard's months. Nothing else on the page tells of it.
            messages.info(request, f"只显示 {first[:10]} 起一段时间内新增的学员")
        context: dict[str, Any] = {"may_transfer": may_transfer(request)}
        context["may_see_runs"] = runs_seen(request) is not None
        if request.method == "GET":
            rest = [(name, request.GET[name]) for name in ("q", "o") if request.GET.get(name)]  # the bar sends it along
            context |= {"bar": filters, "chips": _chips(request, filters), "kept": rest}
            scope = scope_of(request.user)
            by_campus, classes = campuses(scope), class_list(scope)
            if (chosen := by_campus.get(filters.get("campus", ""))) is not None:
                classes = [name for name in classes if name in chosen]
            context |= {"campuses": by_campus, "classes": classes, "cities": values_in_use("city", scope=scope)}
            context |= {"degrees": values_in_use("degree", scope=scope), "states": [*STATES], "entered": [*ENTERED]}
        return super().changelist_view(request, context | (extra_context or {}))

    def class_sheet(self, request: HttpRequest) -> HttpResponse:
        """Show the list on paper: a sheet for each class, with a column to sign in."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        query, students = request.GET.urlencode(), list[Student]()
        with suppress(IncorrectLookupParameters, SuspiciousOperation):
            rows = list_shown(self, request.user, query_kept(query)).queryset
            students = list(rows.order_by("class_name", "pk")[: MAX_PRINTED + 1])
        back = f"{list_address(self)}?{query}"
        if not students or len(students) > MAX_PRINTED:
            many = f"一次最多打印 {MAX_PRINTED} 名学员，请先筛选班级"
            messages.warning(request, many if students else "没有符合条件的学员，没有可打印的名单")
            return HttpResponseRedirect(back)
        action_record(request.user, StaffAction.EXPORT, {"打印": "班级名单", "行数": str(len(students))})
        who: dict[str, Any] = {"printed_at": times.now(), "printed_by": request.user.get_username()}
        return render(request, "students/class_sheet.html", {"students": students, "back": back, **who})

    # --- One student ---
    def get_fields(self, request: HttpRequest, obj: Student | None = None) -> list[str]:
        # A new student has no picture, number or date to show: the number of the form is not the one it will get.
        if obj is None:
            return [*EDITABLE, "picture"]
        may_remove = obj.headimgurl and self.has_change_permission(request, obj)
        names = [name for name in self.fields if name != "no_picture" or may_remove]
        return partly_hidden(names, request.user)

    def save_model(self, request: HttpRequest, obj: Student, form: StudentForm, change: bool) -> None:
        fields = {name: form.cleaned_data[name] for name in EDITABLE if name in form.cleaned_data}
        fields = {name: value for name, value in fields.items() if not change or name in form.changed_data}
        if form.new_picture:
            fields["headimgurl"] = form.new_picture
        elif form.cleaned_data.get("no_picture"):
            fields["headimgurl"] = ""
        if not change:
            fields["created_by_id"] = request.user.pk
            student = services.student_add(now=times.now(), scope=scope_of(request.user), **fields)
            obj.pk, obj.sid, obj.headimgurl = student.pk, student.sid, student.headimgurl
        elif fields:
            scope = scope_of(request.user)
            services.student_edit(sid=obj.sid, changes=fields, now=times.now(), scope=scope, by_staff=True)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Delete one student as the list deletes many, so that it can be taken back."""
        return self._do_with_one(request, object_id, self.delete_selected)

    def archive_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self._do_with_one(request, str(pk), self.archive)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        student = self.get_object(request, object_id) if request.method == "GET" else None
        context: dict[str, Any] = {}
        if student is not None and self.has_view_permission(request, student):
            own = (account_panel(request, student), life_panel(request, student))
            context["panels"] = [*own, *(make(request, student) for make in student_panels.values())]
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    def account_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        student = self.get_object(request, str(pk))
        may = request.user.has_perm("students.account_student") and self.has_change_permission(request, student)
        if not may or request.method != "POST":
            raise PermissionDenied
        if student is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, str(pk))
        account_act(request, student)
        return HttpResponseRedirect(reverse("admin:students_student_change", args=[pk]))

    def state_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self._do_with_one(request, str(pk), self.set_state, self.has_change_permission)

    def _do_with_one(
        self, request: HttpRequest, object_id: str, action: Callable[..., Any], may: Callable[..., bool] | None = None
    ) -> HttpResponse:
        student = self.get_object(request, object_id)
        if not (may or self.has_delete_permission)(request, student):
            raise PermissionDenied
        if student is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        response = action(request, Student.objects.filter(pk=student.pk))
        return response or HttpResponseRedirect(reverse("admin:students_student_changelist"))

    def get_urls(self) -> list[URLPattern]:
        pages: dict[str, tuple[str, Any]] = {
            "students_student_account": ("<int:pk>/account/", self.account_page),
            "students_student_state": ("<int:pk>/state/", self.state_page),
            "students_student_archive": ("<int:pk>/archive/", self.archive_page),
            "students_class_sheet": ("print/", self.class_sheet),
        }
        own = [path(route, self.admin_site.admin_view(view), name=name) for name, (route, view) in pages.items()]
        return [*own, *super().get_urls()]

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> HttpResponse:
        if (
            request.method == "GET"
            and object_id.isdecimal()
            and archived_among("pk", [int(object_id[:18])], scope=scope_of(request.user))
        ):
            messages.info(request, "这名学员已归档")
            return HttpResponseRedirect(reverse("admin:students_archivedstudent_change", args=[object_id]))
        return super()._get_obj_does_not_exist_redirect(request, opts, object_id)
