"""导出记录: the exports that each person has started."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest

from core import times
from core.admin.listing import admin_of, list_address
from core.admin.password import require_password
from permissions.scope import scope_of
from runs.exports import ExportableAdmin
from runs.models import Export
from runs.pages import RunAdmin
from runs.work import run_restart


@admin.register(Export)
class ExportAdmin(RunAdmin):
    """How far each export is, and its file. Members of staff see only their own."""

    list_display = ["file_name", "state_label", "rows", "created"]
    run_template = "backoffice/export.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Export]:
        exports, open_now = super().get_queryset(request).defer("content"), scope_of(request.user).opens_q("scope")
        # A file that was written under a wider data scope shows too much.
        return exports.filter(Q(content=None) | open_now, created_by=request.user.pk)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        pages = admin.site._registry.values()
        return any(isinstance(page, ExportableAdmin) and page.may_export(request) for page in pages)

    def run_of(self, request: HttpRequest, key: str) -> Export:
        export: Export = super().run_of(request, key)
        if not admin_of(export.model).may_export(request):
            raise PermissionDenied
        return export

    def act(self, request: HttpRequest, run: Export) -> None:
        run_restart(run=run, now=times.now())

    def context(self, request: HttpRequest, run: Export) -> dict[str, Any]:
        return {"list": f"{list_address(admin_of(run.model))}?{run.query}"}

    def result(self, request: HttpRequest, run: Export) -> tuple[str, bytes]:
        require_password(request, is_download=True)
        if run.content is None:
            raise Http404
        return run.file_name, bytes(run.content)
