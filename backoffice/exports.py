"""The exports that somebody has started: how far each is, and its file. Everybody sees only their own."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import path, reverse
from unfold.decorators import display

from core import times
from core.admin.base import OfficeAdmin, ReadOnlyRows
from core.admin.exports import (
    KEEP_FOR,
    ExportableAdmin,
    download,
    export_is_stalled,
    export_restart,
    progress_name,
)
from core.admin.password import require_password
from core.cache.progress import progress_read
from core.models import Export
from core.times import format_office_time

_COLOURS = {
    Export.State.WORKING.label: "info",
    Export.State.DONE.label: "success",
    Export.State.FAILED.label: "danger",
}


@admin.register(Export)
class ExportAdmin(ReadOnlyRows, OfficeAdmin):
    list_display = ["file_name", "state_label", "rows", "created"]
    list_per_page = 50
    actions = None

    @display(description="状态", label=_COLOURS)
    def state_label(self, export: Export) -> str:
        return export.get_state_display()

    @display(description="开始时间", ordering="pk")
    def created(self, export: Export) -> str:
        return format_office_time(export.created_at)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Export]:
        return super().get_queryset(request).filter(created_by=request.user.pk).defer("content")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        pages = admin.site._registry.values()
        return any(isinstance(page, ExportableAdmin) and page.may_export(request) for page in pages)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/progress/", view(self.progress_page), name="core_export_progress"),
            path("<int:pk>/result/", view(self.result_page), name="core_export_result"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        export = self._export(request, int(object_id) if object_id.isdecimal() and len(object_id) < 20 else 0)
        now = times.now()
        if request.method == "POST":
            export_restart(export=export, now=now)
            return HttpResponseRedirect(reverse("admin:core_export_change", args=[export.pk]))
        context = self.admin_site.each_context(request) | {
            "opts": self.opts,
            "title": export.file_name,
            "export": export,
            "progress": progress_read(progress_name(export.pk)),
            "stalled": export_is_stalled(export, now),
            "keep_days": KEEP_FOR.days,
            "list": reverse(f"admin:{export.model.replace('.', '_')}_changelist") + f"?{export.query}",
        }
        return render(request, "backoffice/export.html", context)

    def _export(self, request: HttpRequest, pk: int) -> Export:
        """Return an export of the user.

        :raises PermissionDenied: the user has no right to export what it holds, or no longer.
        """
        export = self.get_queryset(request).filter(pk=pk).first() if pk < 2**63 else None
        if export is None:
            raise Http404
        pages = {page.opts.label_lower: page for page in admin.site._registry.values()}
        page: Any = pages.get(export.model)
        if page is None or not page.may_export(request):
            raise PermissionDenied
        return export

    def progress_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        export = self._export(request, pk)
        progress = progress_read(progress_name(export.pk))
        facts = {"working": export.state == Export.State.WORKING, "done": progress.done, "total": progress.total}
        facts |= {"percent": progress.percent, "stalled": export_is_stalled(export, times.now())}
        response = JsonResponse(facts)
        response["Cache-Control"] = "no-store"
        return response

    def result_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        export = self._export(request, pk)
        require_password(request, is_download=True)
        if export.content is None:
            raise Http404
        return download(export.file_name, bytes(export.content))
