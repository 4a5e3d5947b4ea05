"""Students in the back office: quick at any number of them, and changed through the services alone."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter
from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Count, F, Func, OrderBy, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from unfold.decorators import display

from core import times
from core.admin.base import MAX_COUNTED, KnownCount, OfficeAdmin, page_shown
from core.admin.buttons import Button, ButtonsAdmin, Press
from core.admin.deletion import MARK, NAMES_SHOWN, ask
from core.admin.listing import is_complete
from core.admin.password import require_password
from core.admin.phones import RIGHT
from core.admin.tables import page_link, table
from core.api.request import full_url
from core.errors import DomainError
from core.ids import mark_of
from core.times import format_office_time
from permissions.scope import scope_of
from runs.exports import ExportableAdmin, ExportColumn
from runs.pages import run_url
from runs.work import KEEP_FOR
from students import class_admin, services  # noqa: F401  (``class_admin`` registers its page)
from students.account_panel import account_act, account_panel, life_panel
from students.campuses import campuses
from students.class_sheet import class_sheet_page
from students.columns import COLUMNS, CREATED, EDITABLE, PHOTO, SHARED, STATE, hidden_fields, label_of, value_shown
from students.errors import SelectionChanged, TooManyChosen
from students.filters import FILTERS, STATES, filters_q, filters_read
from students.forms import FateForm, ManyForm, StateForm, StudentForm
from students.models import ArchivedStudent, Student
from students.panels import student_panels
from students.selectors import archived_among, class_list, search_q, students_total, values_in_use
from students.student_states import students_state_set
from students.transfer.admin import may_transfer, runs_seen
from students.transfer.deletion import deletion_selection, deletion_start
from uploads.forms import PictureAdmin

SHOWN = ("phone_shown", "parent_phone_shown", "id_card_shown")
MAX_TICKED = 500  # one by one in a list; a page of it has fewer
CLASSES_SHOWN = 12
STATE_LABELS = {"在读": "success", "休学": "warning", "退学": "danger", "结业": "info"}
SEARCHED = "".join(f"、完整的{column.label}" for column in COLUMNS if column.is_searched and column.field != "sid")
NAME_ORDER = Func(F("name"), function="students_name_key")  # pinyin, as far as the characters are usual ones
FILTER_NAMES = {one.name for one in FILTERS}
# Query parameters that do not change how many students the list has.
_SAME_COUNT = {"p", "o", "all"}


def _partly(name: str) -> Any:
    """Make a column that shows the field to who may not see all of it in part."""
    return display(description=label_of(name))(lambda page, student: value_shown(name, getattr(student, name)) or "—")


class HiddenFields:
    """A page that shows the phones and the identity card in part to who may not see more."""

    phone_shown, parent_phone_shown, id_card_shown = _partly("phone"), _partly("parent_phone"), _partly("id_card")


def _partly_hidden(names: list[str], user: Any) -> list[str]:
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


def _who(selection: list[Student]) -> list[str]:
    names = "、".join(student.name for student in selection[:CLASSES_SHOWN])
    classes = sorted(Counter(student.class_name for student in selection).items())
    return [
        names + (" 等" if len(selection) > CLASSES_SHOWN else ""),
        "现在的班级：" + "、".join(f"{name}（{count} 名）" for name, count in classes),
    ]


@admin.register(Student)
class StudentAdmin(HiddenFields, ExportableAdmin, PictureAdmin):
    form = StudentForm
    export_columns = (
        *(ExportColumn(column.label, column.width, attrgetter(column.field)) for column in COLUMNS),
        ExportColumn(STATE, 8, lambda student: student.get_state_display()),
        ExportColumn(PHOTO, 40, lambda student: full_url(student.headimgurl)),
        ExportColumn(CREATED, 22, lambda student: student.created_at),
    )
    filter_titles: ClassVar = {one.name: one.label for one in FILTERS}
    max_found = MAX_COUNTED + 1
    rights: ClassVar = {
        **OfficeAdmin.rights, "delete": "删除、归档", "export": "导出", "phone": RIGHT, "idcard": "看身份证号",
        "account": "关联、停用账号，重设密码",
    }  # fmt: skip
    list_display = ["photo", "name", "sid", "class_name", "state_label", "age", "city", "degree", "created"]
    list_display_links = ["name"]
    list_per_page = 50
    list_before_template = "students/toolbar.html"
    actions = ["edit_many", "set_state", "archive", "delete_selected"]
    change_form_outer_before_template = "students/student_bar.html"
    change_form_outer_after_template = "students/panels.html"
    search_fields = ["name"]
    search_help_text = f"姓名中的任意一段、学号的开头（至少两位）{SEARCHED}，或班级"
    # These have an index; otherwise PostgreSQL would sort every student.
    sortable_by = ["name", "sid", "class_name", "age", "city", "degree", "created"]
    fields = [*EDITABLE, "photo", "no_picture", "picture", "sid", "created"]
    readonly_fields = ["photo", "sid", "created", *SHOWN]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Student]:
        return super().get_queryset(request).filter(scope_of(request.user).visible(of=Student))

    def has_change_permission(self, request: HttpRequest, obj: Student | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or scope_of(request.user).may_change(obj))

    def has_delete_permission(self, request: HttpRequest, obj: Student | None = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or scope_of(request.user).may_change(obj))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        form.scope = scope_of(request.user)
        return form

    def get_fields(self, request: HttpRequest, obj: Student | None = None) -> list[str]:
        # A new student has no picture, number or date to show: the number of the form is not the one it will get.
        if obj is None:
            return [*EDITABLE, "picture"]
        may_remove = obj.headimgurl and self.has_change_permission(request, obj)
        names = [name for name in self.fields if name != "no_picture" or may_remove]
        return _partly_hidden(names, request.user)

    def export_columns_of(self, user: Any) -> Sequence[ExportColumn]:
        # Left out, not masked: an import of the file would take the stars for the number.
        hidden = {label_of(name) for name in hidden_fields(user)}
        return [column for column in self.export_columns if column.label not in hidden]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        text = search_term.strip()
        students = queryset.filter(filters_q(filters_read(request.GET)), search_q(text) if text else Q())
        if text and not is_complete(request):
            # Search once for the count and the page; no page beyond the paginator's count is opened.
            newest = students.order_by("-pk").values_list("pk", flat=True)[: self.max_found]
            students = queryset.filter(pk__in=list(newest))
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
        filters = filters_read(request.GET)
        is_known = not (request.GET.keys() - _SAME_COUNT - FILTER_NAMES or filters.keys() - {"class"})
        if queryset.model is not Student or not is_known:  # another model: the page of a student's history
            return super().get_paginator(request, queryset, per_page, *args, **kwargs)
        return KnownCount(queryset, per_page, students_total(filters.get("class", ""), scope=scope_of(request.user)))

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
            services.student_edit(sid=obj.sid, changes=fields, now=times.now(), scope=scope_of(request.user))

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
        facts: dict[str, Any] = {}
        if student is not None and self.has_view_permission(request, student):
            own = (account_panel(request, student), life_panel(request, student))
            facts["panels"] = [*own, *(make(request, student) for make in student_panels.values())]
        return super().change_view(request, object_id, form_url, facts | (extra_context or {}))

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

    # --- Many at once ---
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        filters, text = filters_read(request.GET), request.GET.get("q", "").strip()
        query = urlencode(filters | ({"q": text} if text else {}))  # the class list on paper knows these alone
        if request.method == "GET" and (first := request.GET.get("created_at__gte")):
            # From the dashboard's months. Nothing else on the page tells of it.
            messages.info(request, f"只显示 {first[:10]} 起一段时间内新增的学员")
        facts = {"print_query": query, "may_transfer": may_transfer(request)}
        facts |= {"may_see_runs": runs_seen(request) is not None}
        if request.method == "GET":
            rest = [(name, request.GET[name]) for name in ("q", "o") if request.GET.get(name)]  # the bar sends it along
            facts |= {"bar": filters, "chips": _chips(request, filters), "kept": rest}
            scope = scope_of(request.user)
            by_campus, classes = campuses(scope), class_list(scope)
            if (chosen := by_campus.get(filters.get("campus", ""))) is not None:
                classes = [name for name in classes if name in chosen]
            facts |= {"campuses": by_campus, "classes": classes, "cities": values_in_use("city", scope=scope)}
            facts |= {"degrees": values_in_use("degree", scope=scope), "states": [*STATES]}
        return super().changelist_view(request, facts | (extra_context or {}))

    def _changeable(self, request: HttpRequest, students: QuerySet[Student]) -> QuerySet[Student]:
        """Return those of the chosen students that the user may change, and say so where others are left out."""
        own = students.filter(scope_of(request.user).changeable(of=Student))
        if not scope_of(request.user).is_all and (others := students.count() - own.count()):
            messages.warning(request, f"{others} 名学员不是您录入的，不会改动")
        return own

    @admin.action(description="删除所选学员", permissions=["delete"])
    def delete_selected(self, request: HttpRequest, students: QuerySet[Student]) -> HttpResponse | None:
        require_password(request)
        students = self._changeable(request, students)
        try:
            selection = deletion_selection(students)
            if MARK in request.POST:
                mark, now = request.POST[MARK], times.now()
                run = deletion_start(students=students, mark=mark, user_pk=request.user.pk, now=now)
                return HttpResponseRedirect(run_url(run))
        except SelectionChanged as refusal:
            messages.warning(request, refusal.msg)
        except TooManyChosen as refusal:
            messages.error(request, refusal.msg)
            return None
        pks = students.order_by("-pk").values_list("pk", flat=True)[:MAX_TICKED]
        counts = students.order_by().values_list("class_name").annotate(n=Count("pk")).order_by("-n", "class_name")
        classes = list(counts[: CLASSES_SHOWN + 1])
        return ask(
            self, request, count=selection.size, unit="名", mark=selection.mark, pks=pks,
            names=[f"{student} {student.sid}" for student in students.order_by("-pk")[:NAMES_SHOWN]],
            groups=classes[:CLASSES_SHOWN], more_groups=len(classes) > CLASSES_SHOWN,
            back="../change/" if request.path.endswith("/delete/") else request.get_full_path(),
            note=f"在后台进行，可以看到进度。{KEEP_FOR.days} 天之内可以撤销，学号、头像和创建时间都会恢复。",
        )  # fmt: skip

    def _few(self, request: HttpRequest, students: QuerySet[Student], limit: int, verb: str) -> list[Student]:
        """Return the chosen students that the user may change; none, with a message, if there are too many."""
        selection = list(self._changeable(request, students).order_by("pk")[: limit + 1])
        if len(selection) > limit:
            messages.error(request, f"一次最多{verb}{limit}名学员，请先按班级或姓名筛选")
            return []
        return selection

    def _fields(self, request: HttpRequest, students: list[Student], **fields: str) -> list[tuple[str, Any]]:
        """Return the hidden fields by which a confirmation sends the action again."""
        across = request.POST.get("select_across", "0")
        rows = students[:1] if across == "1" else students
        return [*fields.items(), ("select_across", across), *(("_selected_action", one.pk) for one in rows)]

    def _change_many(
        self, request: HttpRequest, students: QuerySet[Student], action: str, *, verb: str, form: Any, mark: Any,
        do: Callable[..., Any], what: str = "", hint: str = "",
    ) -> HttpResponse | None:  # fmt: skip
        """Call ``do`` once the form is right, and show its run; until then show the form, and whom it would change."""
        selection = self._few(request, students, services.MAX_EDITED, verb)
        if not selection:
            return None
        form.students = selection
        if form.is_valid():
            who: dict[str, Any] = {"user_pk": request.user.pk, "scope": scope_of(request.user), "now": times.now()}
            who["mark"] = request.POST[MARK]
            try:
                return HttpResponseRedirect(run_url(do(pks=[student.pk for student in selection], **who)))
            except DomainError as refusal:
                messages.warning(request, refusal.msg)
        posted = self._fields(request, selection, action=action, mark=mark(selection))
        facts = {"form": form, "posted": posted, "lines": [*_who(selection), *([hint] if hint else [])]}
        facts |= {"heading": f"{verb} {len(selection)} 名学员{what}"}
        facts |= {"back": reverse("admin:students_student_changelist")}
        return page_shown(self, request, "students/step.html", f"{verb}学员{what}", **facts)

    @admin.action(description="修改所选学员", permissions=["change"])
    def edit_many(self, request: HttpRequest, students: QuerySet[Student]) -> HttpResponse | None:
        fields = partial(self.formfield_for_dbfield, request=request)
        form_class: Any = forms.modelform_factory(Student, ManyForm, fields=SHARED, formfield_callback=fields)
        form = form_class(request.POST if MARK in request.POST else None)
        form.fields["class_name"].widget.scope = scope_of(request.user)
        return self._change_many(
            request, students, "edit_many", verb="修改", form=form, mark=services.edit_mark,
            do=lambda **who: services.students_edit(values=form.values, **who),
            hint="填写的栏目改成同一个值，留空的不改。",
        )  # fmt: skip

    @admin.action(description="变更所选学员的状态", permissions=["change"])
    def set_state(self, request: HttpRequest, students: QuerySet[Student]) -> HttpResponse | None:
        form = StateForm(request.POST if MARK in request.POST else None, request=request)
        return self._change_many(
            request, students, "set_state", verb="变更", form=form, what="的状态",
            mark=lambda selection: mark_of(student.pk for student in selection),
            do=lambda **who: students_state_set(**form.cleaned_data, **who),
        )  # fmt: skip

    @admin.action(description="归档所选学员", permissions=["delete"])
    def archive(self, request: HttpRequest, students: QuerySet[Student]) -> HttpResponse | None:
        selection = self._few(request, students, services.MAX_ARCHIVED, "归档")
        if not selection:
            return None
        form = FateForm(request.POST if "sure" in request.POST else None, request=request)
        if form.is_valid():
            archive = services.students_archive(
                pks=[one.pk for one in selection], fate=form.cleaned_data["fate"], actor_pk=request.user.pk,
                scope=scope_of(request.user), now=times.now(),
            )  # fmt: skip
            page = reverse("admin:students_archivedstudent_changelist")
            text = '已归档 {} 名学员。<a class="underline" href="{}">查看已归档学员</a>'
            messages.success(request, format_html(text, len(archive), page))
            return HttpResponseRedirect(reverse("admin:students_student_changelist"))
        if len(selection) <= NAMES_SHOWN:
            rows = table(["姓名", "学号", "班级"], [(one.name, one.sid, one.class_name) for one in reversed(selection)])
        else:
            counts = Counter(student.class_name for student in selection)
            rows = table(["班级", "人数"], sorted(counts.items())[:CLASSES_SHOWN])
        text = "归档的学员不再出现在名单、搜索、统计和接口里；随时可以从“已归档学员”恢复，学号、头像和创建时间不变。"
        facts: dict[str, Any] = {
            "posted": self._fields(request, selection, action="archive", sure="1"),
            "rows": rows,
            "text": text,
        }
        facts["fields"] = list(form) if any(one.account_id for one in selection) else [form["fate"].as_hidden()]
        return page_shown(self, request, "backoffice/sure.html", "归档学员", sum=f"{len(selection)} 名", **facts)

    def get_urls(self) -> list[URLPattern]:
        pages: dict[str, tuple[str, Any]] = {
            "students_student_account": ("<int:pk>/account/", self.account_page),
            "students_student_state": ("<int:pk>/state/", self.state_page),
            "students_student_archive": ("<int:pk>/archive/", self.archive_page),
            "students_class_sheet": ("print/", self.class_sheet),
        }
        own = [path(route, self.admin_site.admin_view(view), name=name) for name, (route, view) in pages.items()]
        return [*own, *super().get_urls()]

    def class_sheet(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return class_sheet_page(request)

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> HttpResponse:
        if (
            request.method == "GET"
            and object_id.isdecimal()
            and archived_among("pk", [int(object_id[:18])], scope=scope_of(request.user))
        ):
            messages.info(request, "这名学员已归档")
            return HttpResponseRedirect(reverse("admin:students_archivedstudent_change", args=[object_id]))
        return super()._get_obj_does_not_exist_redirect(request, opts, object_id)

    # --- Columns of the list ---
    @display(description="头像")
    def photo(self, student: Student) -> str:
        if not student.headimgurl:
            return "—"
        return format_html('<img src="{}" alt="" loading="lazy" style="height:40px">', student.headimgurl)

    @display(description="状态", label=STATE_LABELS)
    def state_label(self, student: Student) -> str:
        return student.get_state_display()

    @display(description="创建时间", ordering="pk")
    def created(self, student: Student) -> str:
        return format_office_time(student.created_at)


def _restore(press: Press) -> str:
    services.student_restore(pk=press.row.pk, actor_pk=press.user.pk, scope=scope_of(press.user), now=press.now)
    return ""


@admin.register(ArchivedStudent)
class ArchivedStudentAdmin(HiddenFields, ButtonsAdmin):
    """The archive. Its only button brings a student back."""

    buttons = (Button("restore", "恢复", _restore),)
    rights: ClassVar = {"view": "查看", "change": "恢复"}
    list_display = ["name", "sid", "class_name", "city", "degree", "archived", "archived_by"]
    list_select_related = ["archived_by"]
    search_fields = ["name", "sid__istartswith", "class_name__iexact"]
    search_help_text = "姓名中的任意一段、学号的开头，或班级"
    fields = [*EDITABLE, "state", "sid", "created_at", "archived_at", "archiver"]
    readonly_fields = [*fields, *SHOWN]

    def get_fields(self, request: HttpRequest, obj: ArchivedStudent | None = None) -> list[str]:
        return _partly_hidden(self.fields, request.user)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ArchivedStudent]:
        return super().get_queryset(request).filter(scope_of(request.user).changeable(of=Student))

    def _press_posted(self, request: HttpRequest, object_id: str) -> HttpResponse:
        answer = super()._press_posted(request, object_id)
        is_back = Student.objects.filter(scope_of(request.user).visible(of=Student), pk=object_id).exists()
        return HttpResponseRedirect(reverse("admin:students_student_change", args=[object_id])) if is_back else answer

    @display(description="归档人")
    def archiver(self, student: ArchivedStudent) -> str:
        return page_link(student.archived_by, student.archived_by) if student.archived_by else "—"

    @display(description="归档时间", ordering="archived_at")
    def archived(self, student: ArchivedStudent) -> str:
        return format_office_time(student.archived_at)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("students.view_student")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("students.delete_student")
