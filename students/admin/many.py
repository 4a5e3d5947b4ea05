"""What is done to many chosen students at once: changed, given another state, put aside, deleted."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html

from core import times
from core.admin.base import page_shown
from core.admin.listing import list_address
from core.admin.password import require_password
from core.errors import DomainError
from core.ids import mark_of
from permissions.admin import ScopedAdmin
from permissions.scope import scope_of
from runs.pages import run_url
from runs.work import KEEP_FOR
from students import services
from students.columns import SHARED
from students.errors import SelectionChanged
from students.forms import FateForm, ManyForm, StateForm
from students.models import Student
from students.recorded_changes import MAX_EDITED, edit_mark, students_edit, students_state_set
from students.transfer.deletion import MAX_DELETED, deletion_start

MAX_TICKED = 500  # one by one in a list; a page of it has fewer
NAMES_SHOWN = 20
CLASSES_SHOWN = 12
MARK = "mark"  # form field: a hash of the shown rows' keys. If it differs, the selection has changed since
TOO_MANY = "一次最多{}{}名学员，请先按班级或姓名筛选"
_CAN_BE_UNDONE = "完成后的页面可以撤销。"


def _edit_form(page: Any, request: HttpRequest) -> ManyForm:
    fields = partial(page.formfield_for_dbfield, request=request)
    form_class: Any = forms.modelform_factory(Student, ManyForm, fields=SHARED, formfield_callback=fields)
    form: ManyForm = form_class(request.POST if MARK in request.POST else None)
    return form


def _mark_of_keys(selection: list[Student]) -> str:
    return mark_of(student.pk for student in selection)


def _fields(request: HttpRequest, students: list[Student], **fields: str) -> list[tuple[str, Any]]:
    """Return the hidden fields by which a confirmation sends the action again."""
    across = request.POST.get("select_across", "0")
    rows = students[:1] if across == "1" else students
    return [*fields.items(), ("select_across", across), *(("_selected_action", student.pk) for student in rows)]


def step_page(
    page: Any, request: HttpRequest, form: Any, *, heading: str, back: str, do: Callable[[], str],
    about: Callable[[], dict[str, Any]], template: str = "students/step.html",
) -> HttpResponse:  # fmt: skip
    """Do a step once its form is right; until then ask.

    :param do: does the step, and returns the address of the page that follows.
    :param about: returns the hidden fields ``posted``, and what the template says of what would change. It is called
        after a refusal too, because the students may be others by then.
    """
    if form.is_valid():
        try:
            return HttpResponseRedirect(do())
        except DomainError as refusal:
            messages.error(request, refusal.msg)
    return page_shown(page, request, template, heading, form=form, heading=heading, back=back, **about())


class ManyAdmin(ScopedAdmin):
    """The actions of the list of students."""

    actions = ["edit_many", "set_state", "archive", "delete_selected"]

    def _changeable(self, request: HttpRequest, students: QuerySet[Student]) -> QuerySet[Student]:
        """Return those of the chosen students that the user may change, and say so where others are left out."""
        own = students.filter(scope_of(request.user).changeable(of=Student))
        if others := students.count() - own.count():
            messages.warning(request, f"{others} 名学员不是您录入的，不会改动")
        return own

    @admin.action(description="删除所选学员", permissions=["delete"])
    def delete_selected(self, request: HttpRequest, students: QuerySet[Student]) -> HttpResponse | None:
        require_password(request)
        students = self._changeable(request, students)
        pks = list(students.order_by("-pk").values_list("pk", flat=True)[: MAX_DELETED + 1])
        if len(pks) > MAX_DELETED:
            messages.error(request, TOO_MANY.format("删除", MAX_DELETED))
            return None
        if MARK in request.POST:
            who: dict[str, Any] = {"user_pk": request.user.pk, "now": times.now()}
            try:
                return HttpResponseRedirect(run_url(deletion_start(students=students, mark=request.POST[MARK], **who)))
            except SelectionChanged as refusal:
                messages.warning(request, refusal.msg)
        counts = students.order_by().values_list("class_name").annotate(n=Count("pk")).order_by("-n", "class_name")
        classes = list(counts[: CLASSES_SHOWN + 1])
        shown = list(students.order_by("-pk")[:MAX_TICKED])
        return page_shown(
            self, request, "students/delete_chosen.html", "删除学员", count=len(pks),
            names=[f"{student} {student.sid}" for student in shown[:NAMES_SHOWN]], more=len(pks) - NAMES_SHOWN,
            groups=classes[:CLASSES_SHOWN], more_groups=len(classes) > CLASSES_SHOWN,
            back="../change/" if request.path.endswith("/delete/") else request.get_full_path(),
            posted=_fields(request, shown, action="delete_selected", mark=mark_of(pks)),
            note=f"在后台进行，可以看到进度。{KEEP_FOR.days} 天之内可以撤销，学号、头像和创建时间都会恢复。",
        )  # fmt: skip

    def _step(
        self, request: HttpRequest, students: QuerySet[Student], form: Any, *, name: str, heading: str,
        do: Callable[..., str], mark: Callable[[list[Student]], str] = _mark_of_keys, hint: str = _CAN_BE_UNDONE,
    ) -> HttpResponse | None:  # fmt: skip
        """Change the chosen students in the way that a form asks about.

        :param name: of the action.
        :param do: takes the arguments that all such services have, and returns the address of the page that follows.
        :param mark: makes the mark of what the page has shown.
        """
        form.students = chosen = list(self._changeable(request, students).order_by("pk")[: MAX_EDITED + 1])
        if len(chosen) > MAX_EDITED:
            messages.error(request, TOO_MANY.format(heading[:2], MAX_EDITED))
        if not 0 < len(chosen) <= MAX_EDITED:
            return None
        who: dict[str, Any] = {"user_pk": request.user.pk, "scope": scope_of(request.user), "now": times.now()}
        return step_page(
            self, request, form, heading=heading.format(len(chosen)), back=list_address(self),
            do=lambda: do(pks=[student.pk for student in chosen], mark=request.POST[MARK], **who),
            about=lambda: {
                "students": chosen, "hint": hint,
                "posted": _fields(request, chosen, action=name, mark=mark(chosen)),
            },
        )  # fmt: skip

    @admin.action(description="修改所选学员", permissions=["change"])
    def edit_many(self, request: HttpRequest, students: QuerySet[Student]) -> HttpResponse | None:
        form = _edit_form(self, request)
        return self._step(
            request, students, form, name="edit_many", heading="修改 {} 名学员", mark=edit_mark,
            do=lambda **who: run_url(students_edit(values=form.values, **who)),
            hint=f"填写的栏目改成同一个值，留空的不改。{_CAN_BE_UNDONE}",
        )  # fmt: skip

    @admin.action(description="变更所选学员的状态", permissions=["change"])
    def set_state(self, request: HttpRequest, students: QuerySet[Student]) -> HttpResponse | None:
        form = StateForm(request.POST if MARK in request.POST else None, request=request)
        return self._step(
            request, students, form, name="set_state", heading="变更 {} 名学员的状态",
            do=lambda **who: run_url(students_state_set(**form.cleaned_data, **who)),
        )  # fmt: skip

    @admin.action(description="归档所选学员", permissions=["delete"])
    def archive(self, request: HttpRequest, students: QuerySet[Student]) -> HttpResponse | None:
        def put_aside(*, pks: list[int], mark: str, user_pk: int, **who: Any) -> str:
            if mark_of(pks) != mark:
                raise SelectionChanged("名单在你确认之前变了，没有归档任何学员。请核对后再次确认")
            archive = services.students_archive(pks=pks, actor_pk=user_pk, **form.cleaned_data, **who)
            page = reverse("admin:students_archivedstudent_changelist")
            text = '已归档 {} 名学员。<a class="underline" href="{}">查看已归档学员</a>'
            messages.success(request, format_html(text, len(archive), page))
            return list_address(self)

        form = FateForm(request.POST if MARK in request.POST else None, request=request)
        if not students.exclude(account=None).exists():
            form.fields["fate"].widget = forms.HiddenInput()
        hint = "不再出现在名单、搜索、统计和接口里；随时可以从“已归档学员”恢复，学号、头像和创建时间不变。"
        return self._step(request, students, form, name="archive", heading="归档 {} 名学员", do=put_aside, hint=hint)
