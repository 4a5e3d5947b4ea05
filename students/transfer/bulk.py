"""What the list of students offers for many at once: buttons above it, and the action that changes classes."""

from collections import Counter
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.utils import timezone

from core.admin.deletion import MARK, NAMES_SHOWN, ask
from core.admin.password import require_password
from students.models import Student
from students.selectors import class_list
from students.transfer.admin import may_transfer, run_url
from students.transfer.classes import MOST, students_move
from students.transfer.deletion import deletion_chosen, deletion_start
from students.transfer.errors import SelectionChanged, TooManyChosen
from students.transfer.runs import KEEP_FOR

CLASSES_SHOWN = 12
MOST_TICKED = 500  # one by one in a list; a page of it has fewer


class ClassForm(forms.ModelForm):
    """The model's own rules for a class."""

    class Meta:
        model = Student
        fields = ["class_name"]


class BulkStudentsMixin:
    """Buttons above the list of students, and the action that moves many into another class."""

    list_before_template = "students/toolbar.html"

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        kept = {name: request.GET[name] for name in ("class", "q") if request.GET.get(name)}
        query = QueryDict(mutable=True)
        query.update(kept)
        shown = {"may_transfer": may_transfer(request), "export_query": query.urlencode(), "is_filtered": bool(kept)}
        return super().changelist_view(request, shown | (extra_context or {}))  # type: ignore[misc]

    @admin.action(description="删除所选学员", permissions=["delete"])
    def delete_selected(self, request: HttpRequest, students: QuerySet[Student]) -> HttpResponse | None:
        require_password(request)
        try:
            chosen = deletion_chosen(students)
            if MARK in request.POST:
                facts: dict[str, Any] = {"mark": request.POST[MARK], "user_pk": request.user.pk, "now": timezone.now()}
                return HttpResponseRedirect(run_url(deletion_start(students=students, **facts)))
        except SelectionChanged as refusal:
            messages.warning(request, refusal.msg)
        except TooManyChosen as refusal:
            messages.error(request, refusal.msg)
            return None
        pks = students.order_by("-pk").values_list("pk", flat=True)[:MOST_TICKED]
        counts = students.order_by().values_list("class_name").annotate(n=Count("pk")).order_by("-n", "class_name")
        groups = list(counts[: CLASSES_SHOWN + 1])
        return ask(
            self, request, count=chosen.size, unit="名", mark=chosen.mark, pks=pks,
            names=[f"{student} {student.sid}" for student in students.order_by("-pk")[:NAMES_SHOWN]],
            groups=groups[:CLASSES_SHOWN], more_groups=len(groups) > CLASSES_SHOWN,
            note=f"在后台进行,可以看到进度。{KEEP_FOR.days} 天之内可以撤销,学号、头像和创建时间都会恢复。",
        )  # fmt: skip

    @admin.action(description="更改所选学员的班级", permissions=["change"])
    def change_class(self, request: HttpRequest, students: QuerySet[Student]) -> HttpResponse | None:
        pks = list(students.order_by("pk").values_list("pk", flat=True)[: MOST + 1])
        if len(pks) > MOST:
            messages.error(request, f"一次最多更改{MOST}名学员的班级;更多请用导入")
            return None
        form = ClassForm(request.POST if "apply" in request.POST else None)
        if "apply" in request.POST and form.is_valid():
            name = form.cleaned_data["class_name"]
            moved = students_move(pks=pks, class_name=name, actor_pk=request.user.pk)
            messages.success(
                request,
                f"{moved} 名学员已转入 {name}" + (f",{len(pks) - moved} 名本来就在该班" if moved < len(pks) else ""),
            )
            return None
        counted = Student.objects.filter(pk__in=pks).order_by().values_list("class_name", flat=True)
        context = self.admin_site.each_context(request) | {  # type: ignore[attr-defined]
            "opts": Student._meta, "title": "更改班级", "form": form, "pks": pks, "classes": class_list(),
            "present": sorted(Counter(counted).items()),
            "across": request.POST.get("select_across", "0"), "names": Student.objects.filter(pk__in=pks[:12]),
        }  # fmt: skip
        return render(request, "students/class_change.html", context)
