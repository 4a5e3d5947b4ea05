"""班级 in the back office: the list of classes, and one page a class with its roster, its accounts and its steps."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse

from accounts.models import User
from accounts.selectors import people_visible, users_of_class
from core import times
from core.admin.base import OfficeAdmin, page_shown
from core.admin.tables import column, page_link, table
from core.times import format_office_time
from permissions.scope import scope_of
from runs.pages import run_url
from students.admin.many import MARK, step_page
from students.class_steps import class_end, class_facts, class_merge, class_rename, class_split
from students.classes import campus_set, class_rows
from students.filters import CampusFilter
from students.forms import CampusForm, EndForm, MergeForm, RenameForm, SchoolClassForm, SplitForm, StepForm
from students.models import PRESENT_STATES, ArchivedStudent, SchoolClass, Student, TransferRun
from students.panels import Panel, class_panels
from students.selectors import class_list, class_roster

MAX_LISTED = 500  # students and accounts on the page of a class
# By the name in the address: what the button says, what the page asks, and what does it.
STEPS: dict[str, tuple[str, type[StepForm], Callable[..., TransferRun]]] = {
    "rename": ("改名", RenameForm, class_rename),
    "merge": ("合并", MergeForm, class_merge),
    "split": ("拆分", SplitForm, class_split),
    "end": ("结业", EndForm, class_end),
}
_LABELS = {"开班": "success", "结业": "info"}


@admin.register(SchoolClass)
class SchoolClassAdmin(OfficeAdmin):
    form = SchoolClassForm
    list_display = [
        "name", "state_label", "number", "capacity", "head_teacher", "room", "begins_on", "ends_on", "campus",
    ]  # fmt: skip
    list_filter = ["state", CampusFilter, ("head_teacher", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["head_teacher"]
    list_per_page = 50
    search_fields = ["name", "room", "campus", "head_teacher__nickname"]
    search_help_text = "班级、教室或班主任"
    actions = ["set_campus"]
    fields = [("name", "state"), ("head_teacher", "teachers"), ("begins_on", "ends_on"), ("campus", "room", "capacity")]
    change_form_outer_before_template = "students/class_bar.html"
    change_form_outer_after_template = "students/panels.html"
    number = column("学员", lambda row: row.number, ordering="number")
    state_label = column("状态", lambda row: row.get_state_display(), label=_LABELS, ordering="state")

    def get_queryset(self, request: HttpRequest) -> QuerySet[SchoolClass]:
        scope = scope_of(request.user)
        present = Q(scope.school.visible(of=Student), class_name=OuterRef("name"), state__in=PRESENT_STATES)
        students = Student.objects.filter(present).order_by().values("class_name")
        number = Subquery(students.annotate(n=Count("pk")).values("n"), output_field=IntegerField())
        rows = super().get_queryset(request).annotate(number=Coalesce(number, Value(0)))
        return rows.filter(name__in={*class_list(scope), *scope.classes}) if scope.is_narrow else rows

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        if not any(isinstance(one, CampusFilter) for one in changelist.filter_specs):
            # The last column: the addresses of sorted lists count them.
            changelist.list_display = [name for name in changelist.list_display if name != "campus"]
        return changelist

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)  # most classes are in use
        return actions

    @admin.action(description="设置所选班级的校区", permissions=["change"])
    def set_campus(self, request: HttpRequest, rows: QuerySet[SchoolClass]) -> HttpResponse | None:
        chosen = dict(rows.order_by("name").values_list("pk", "name"))
        form = CampusForm(request.POST if "campus" in request.POST else None)
        if form.is_valid():
            campus = form.cleaned_data["campus"]
            campus_set(pks=chosen, campus=campus)
            messages.success(request, f"{len(chosen)} 个班级的校区：{campus or '没有'}")
            return None
        posted = [("action", "set_campus"), *(("_selected_action", pk) for pk in chosen)]
        context = {"posted": posted, "fields": list(form), "text": "、".join(chosen.values())}
        return page_shown(self, request, "backoffice/sure.html", "设置校区", sum=f"{len(chosen)} 个班级", **context)

    def get_readonly_fields(self, request: HttpRequest, obj: SchoolClass | None = None) -> list[str]:
        return ["name"] if obj else []  # students and accounts name it too: see the steps

    def has_delete_permission(self, request: HttpRequest, obj: SchoolClass | None = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or not _is_used(obj.name))

    def has_add_permission(self, request: HttpRequest) -> bool:
        # As for a change. The form offers all colleagues, of whom a narrower scope shows a few.
        return super().has_add_permission(request) and scope_of(request.user).is_all

    def has_change_permission(self, request: HttpRequest, obj: SchoolClass | None = None) -> bool:
        return super().has_change_permission(request, obj) and scope_of(request.user).is_all

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        class_rows()  # adds those that are missing
        return super().changelist_view(request, extra_context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id) if object_id.isdecimal() else None
        context: dict[str, Any] = {}
        if row is not None and self.has_view_permission(request, row):
            steps = [(step, label) for step, (label, *_) in STEPS.items()]
            context["steps"] = steps if self._may_step(request) else ()
            context["panels"] = [*_panels(request, row), *(make(request, row) for make in class_panels.values())]
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    # --- Steps ---
    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.step_page)
        steps = [path(f"<int:pk>/{step}/", view, {"step": step}, name="students_class_step") for step in STEPS]
        return [*steps, *super().get_urls()]

    def _may_step(self, request: HttpRequest) -> bool:
        return self.has_change_permission(request) and request.user.has_perm("students.change_student")

    def step_page(self, request: HttpRequest, pk: int, step: str) -> HttpResponse:
        """Ask for the new name, the other class, the students or the day; show what goes along; do it."""
        if not self._may_step(request):
            raise PermissionDenied
        row = self.get_object(request, str(pk))
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, str(pk))
        label, form_class, do = STEPS[step]
        form: Any = form_class(request.POST if MARK in request.POST else None, row=row, request=request)

        def about() -> dict[str, Any]:
            facts = class_facts(row.name)
            mark = request.POST.get(MARK, facts.mark) if form.errors else facts.mark
            return {"row": row, "step": step, "facts": facts, "posted": [(MARK, mark)]}

        def done() -> str:
            mark = {} if step == "split" else {"mark": request.POST[MARK]}  # a split is of those who are ticked
            who: dict[str, Any] = {"user_pk": request.user.pk, "now": times.now()}
            return run_url(do(before=row.name, **form.cleaned_data, **mark, **who))

        return step_page(
            self, request, form, heading=f"{label} {row.name}", about=about, do=done,
            back=reverse("admin:students_schoolclass_change", args=[row.pk]), template="students/class_step.html",
        )  # fmt: skip


def _is_used(name: str) -> bool:
    students = (model.objects.filter(class_name=name) for model in (Student, ArchivedStudent))
    return any(rows.exists() for rows in (*students, users_of_class(name)))


def _panels(request: HttpRequest, row: SchoolClass) -> list[Panel]:
    roster = class_roster(row.name, scope_of(request.user).school).select_related("account")
    students = list(roster[:MAX_LISTED])
    people = [
        (page_link(who, who.name), who.sid, who.get_state_display(), who.account.username if who.account else "—")
        for who in students
    ]
    left = sum(student.has_left for student in students)
    panels = [_panel("学员", ["姓名", "学号", "状态", "账号"], people, f"，其中 {left} 名已经离开" if left else "")]
    if request.user.has_perm("accounts.view_user"):
        users = [
            (page_link(user, user.username), user.nickname, "启用" if user.is_active else "停用", _seen(user))
            for user in users_of_class(row.name).filter(people_visible(request.user))[:MAX_LISTED]
        ]
        panels.append(_panel("账号", ["用户名", "姓名", "状态", "上次登录"], users))
    return panels


def _panel(what: str, head: list[str], rows: list[tuple[Any, ...]], remark: str = "") -> Panel:
    number = f"前 {MAX_LISTED} 个" if len(rows) == MAX_LISTED else len(rows)
    return Panel(f"{what}（{number}{remark}）", table(head, rows) if rows else "")


def _seen(user: User) -> str:
    return format_office_time(user.last_login) or "从未"
