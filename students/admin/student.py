"""The page of a student, and what its buttons do."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import SmallIntegerField
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from unfold.widgets import UnfoldAdminTextInputWidget

from core import times
from core.admin.base import OfficeAdmin
from core.admin.phones import RIGHT
from permissions.scope import scope_of
from students import services
from students.admin.many import ManyAdmin
from students.admin.student_list import SHOWN, StudentListAdmin, partly_hidden
from students.columns import EDITABLE
from students.forms import StudentForm
from students.models import Student
from students.panels import account_act, account_panel, life_panel, student_panels
from students.selectors import archived_among
from uploads.forms import PictureAdmin


@admin.register(Student)
class StudentAdmin(StudentListAdmin, ManyAdmin, PictureAdmin):
    form = StudentForm
    rights: ClassVar = {
        **OfficeAdmin.rights, "delete": "删除、归档", "export": "导出", "phone": RIGHT, "idcard": "看身份证号",
        "account": "关联、停用账号，重设密码",
    }  # fmt: skip
    change_form_outer_before_template = "students/student_bar.html"
    change_form_outer_after_template = "students/panels.html"
    fields = [*EDITABLE, "photo", "no_picture", "picture", "sid", "created"]
    readonly_fields = ["photo", "sid", "created", *SHOWN]
    # Browsers refuse full-width digits in a field for numbers.
    formfield_overrides: ClassVar = {
        SmallIntegerField: {"widget": UnfoldAdminTextInputWidget({"inputmode": "numeric"})}
    }

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
