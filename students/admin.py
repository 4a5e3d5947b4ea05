"""Students in the back office: quick at any number of them, and changed through the services alone."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display

from core.admin.base import OfficeAdmin
from core.times import dash
from students.counts import student_count
from students.errors import StudentNotDeleted
from students.models import Student
from students.selectors import class_list, student_page
from students.services import student_add, student_delete, student_edit
from students.transfer.bulk import BulkStudentsMixin
from uploads.forms import PictureAdminMixin, PictureFormMixin, picture_field

MOST_FOUND = 1_000
FIELDS = ["class_name", "name", "age", "city", "degree", "product_url", "description"]
# Query parameters that do not change how many students there are.
_HARMLESS = {"p", "o", "all"}


class ClassFilter(DropdownFilter):
    """Reads the names from the totals: DISTINCT would read every student."""

    title, parameter_name = "班级", "class"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in class_list()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(class_name=self.value()) if self.value() else queryset


class KnownCount(Paginator):
    """A paginator that is told how many there are."""

    def __init__(self, queryset: QuerySet, per_page: int, count: int) -> None:
        super().__init__(queryset, per_page)
        self.count = count  # type: ignore[misc]  # it is a cached property


class StudentForm(PictureFormMixin, forms.ModelForm):
    picture = picture_field("上传头像")
    picture_column = "headimgurl"
    columns: ClassVar = {"picture": "headimgurl"}

    class Meta:
        model = Student
        fields = FIELDS


@admin.register(Student)
class StudentAdmin(BulkStudentsMixin, PictureAdminMixin, OfficeAdmin):
    form = StudentForm
    list_display = ["photo", "name", "sid", "class_name", "age", "city", "degree", "created"]
    list_display_links = ["name"]
    list_filter = [ClassFilter]
    list_filter_submit = True
    list_per_page = 50
    actions = ["change_class", "delete_selected"]
    search_fields = ["name"]
    search_help_text = f"姓名中的任意一段,或完整的学号;最多显示最新的 {MOST_FOUND} 条"
    show_full_result_count = False
    # By any other column PostgreSQL would sort every student.
    sortable_by = ["class_name"]
    fields = [*FIELDS, "picture", "photo", "sid", "created"]
    readonly_fields = ["photo", "sid", "created"]

    def get_fields(self, request: HttpRequest, obj: Student | None = None) -> list[str]:
        # What a student has only once there is one: the form's own number would not be the one it gets.
        return self.fields if obj else [*FIELDS, "picture"]

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        text = search_term.strip()
        if not text:
            return queryset, False
        found = student_page(slice(0, MOST_FOUND), key=text, class_name=request.GET.get("class", ""))
        if found.total > MOST_FOUND and request.method == "GET":  # an action of the list asks twice
            messages.info(request, f"共找到 {found.total} 名学员,显示最新的 {MOST_FOUND} 名")
        by_sid = queryset.filter(sid=text.upper()).values_list("pk", flat=True)
        return queryset.filter(pk__in=[*(row.id for row in found.rows), *by_sid]), False

    def get_paginator(self, request: HttpRequest, queryset: QuerySet, per_page: int, *args: Any, **kwargs: Any) -> Any:
        if queryset.model is not Student:  # the page of a student's history
            return super().get_paginator(request, queryset, per_page, *args, **kwargs)
        if request.GET.keys() - _HARMLESS - {ClassFilter.parameter_name}:
            return super().get_paginator(request, queryset, per_page, *args, **kwargs)
        name = request.GET.get(ClassFilter.parameter_name)
        return KnownCount(queryset, per_page, student_count(name or ""))

    def save_model(self, request: HttpRequest, obj: Student, form: StudentForm, change: bool) -> None:
        fields = {name: form.cleaned_data[name] for name in FIELDS if not change or name in form.changed_data}
        if form.new_picture:
            fields["headimgurl"] = form.new_picture
        if not change:
            student = student_add(now=timezone.now(), **fields)
            obj.pk, obj.sid, obj.headimgurl = student.pk, student.sid, student.headimgurl
        elif fields:
            student_edit(sid=obj.sid, changes=fields)

    def delete_model(self, request: HttpRequest, obj: Student) -> None:
        self.delete_queryset(request, Student.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet) -> None:
        for sid in list(queryset.values_list("sid", flat=True)):
            try:
                student_delete(sid=sid)
            except StudentNotDeleted:
                pass  # somebody else was quicker

    @display(description="头像")
    def photo(self, student: Student) -> str:
        if not student.headimgurl:
            return "—"
        return format_html('<img src="{}" alt="" loading="lazy" style="height:40px">', student.headimgurl)

    @display(description="创建时间", ordering="pk")
    def created(self, student: Student) -> str:
        return dash(student.created_at)
