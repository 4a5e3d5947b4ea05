"""Students who were put aside. The page's only button brings one back."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from core.admin.buttons import Button, ButtonsAdmin, Press
from core.admin.tables import column, page_link
from core.times import format_office_time
from permissions.scope import scope_of
from students import services
from students.admin.student import SHOWN, HiddenColumns, partly_hidden
from students.columns import EDITABLE
from students.models import ArchivedStudent, Student


def _restore(press: Press) -> str:
    services.student_restore(pk=press.row.pk, actor_pk=press.user.pk, scope=scope_of(press.user), now=press.now)
    return ""


@admin.register(ArchivedStudent)
class ArchivedStudentAdmin(HiddenColumns, ButtonsAdmin):
    buttons = (Button("restore", "恢复", _restore),)
    rights: ClassVar = {"view": "查看", "change": "恢复"}
    list_display = ["name", "sid", "class_name", "city", "degree", "archived", "archived_by"]
    list_select_related = ["archived_by"]
    search_fields = ["name", "sid__istartswith", "class_name__iexact"]
    search_help_text = "姓名中的任意一段、学号的开头，或班级"
    fields = [*EDITABLE, "state", "sid", "created_at", "archived_at", "archiver"]
    readonly_fields = [*fields, *SHOWN]
    archiver = column("归档人", lambda row: page_link(row.archived_by, row.archived_by) if row.archived_by else "—")
    archived = column("归档时间", lambda row: format_office_time(row.archived_at), ordering="archived_at")

    def get_fields(self, request: HttpRequest, obj: ArchivedStudent | None = None) -> list[str]:
        return partly_hidden(self.fields, request.user)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ArchivedStudent]:
        return super().get_queryset(request).filter(scope_of(request.user).changeable(of=Student))

    def _press_posted(self, request: HttpRequest, object_id: str) -> HttpResponse:
        answer = super()._press_posted(request, object_id)
        is_back = Student.objects.filter(scope_of(request.user).visible(of=Student), pk=object_id).exists()
        return HttpResponseRedirect(reverse("admin:students_student_change", args=[object_id])) if is_back else answer

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("students.view_student")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("students.delete_student")
