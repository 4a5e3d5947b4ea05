"""The list of the runs of one kind, and the page of a run: how far it is, its steps and its file."""

from typing import Any, ClassVar

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import path, reverse

from core import times
from core.admin.base import OfficeAdmin, ReadOnlyRows, page_shown
from core.admin.tables import column
from core.errors import DomainError
from core.sheets.write import download
from core.times import format_office_time
from runs.models import Run
from runs.work import KEEP_FOR, progress_read, run_is_stalled

# Of a state, by its name on the page.
COLOURS = dict.fromkeys(["检查中", "写入中", "删除中", "撤销中", "导出中"], "info")
COLOURS |= dict.fromkeys(["待确认", "已撤销"], "warning") | {"已完成": "success"}
COLOURS |= dict.fromkeys(["有错误", "已中断", "文件有误"], "danger")


def run_url(run: Run) -> str:
    return reverse(f"admin:{run._meta.app_label}_{run._meta.model_name}_change", args=[run.pk])


class RunAdmin(ReadOnlyRows, OfficeAdmin):
    """A kind of runs. Its class says who may see a run, what the buttons do, and what the page and the file hold."""

    list_per_page = 50
    actions = None
    run_template: ClassVar[str]
    state_label = column("状态", lambda run: run.state_name, label=COLOURS)
    created = column("开始时间", lambda run: format_office_time(run.created_at), ordering="pk")

    def run_of(self, request: HttpRequest, key: str) -> Any:
        """Return the run for all that is asked about it.

        :raises Http404, PermissionDenied: there is none that this user may see.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        run = self.get_object(request, key)
        if run is None:
            raise Http404
        return run

    def act(self, request: HttpRequest, run: Any) -> str | None:
        """Do what a button of the page says; return the query of the page to show next, None for the same one.

        The page shows the text of a ``DomainError``.
        """
        raise NotImplementedError

    def context(self, request: HttpRequest, run: Any) -> dict[str, Any]:
        """Return what the template of this kind shows beside what it shows of every run."""
        raise NotImplementedError

    def result(self, request: HttpRequest, run: Any) -> tuple[str, bytes]:
        """Return the name and the content of the run's file.

        :raises Http404: it has none, or not yet.
        :raises DomainError: it is removed already.
        """
        raise Http404

    def template_of(self, run: Any) -> str:
        """Return the template of a run's page."""
        return self.run_template

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_urls(self) -> list[Any]:
        view, name = self.admin_site.admin_view, f"{self.opts.app_label}_{self.opts.model_name}"
        return [
            path("<str:pk>/progress/", view(self.progress_page), name=f"{name}_progress"),
            path("<str:pk>/result/", view(self.result_page), name=f"{name}_result"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        run = self.run_of(request, object_id)
        if request.method == "POST":
            query = None
            try:
                query = self.act(request, run)
            except DomainError as refusal:
                messages.error(request, refusal.msg)
            return HttpResponseRedirect(run_url(run) + f"?{request.GET.urlencode() if query is None else query}")
        context = {"run": run, "progress": progress_read(run), "stalled": run_is_stalled(run, times.now())}
        context |= {"created": format_office_time(run.created_at), "keep_days": KEEP_FOR.days}
        return page_shown(self, request, self.template_of(run), str(run), **context, **self.context(request, run))

    def progress_page(self, request: HttpRequest, pk: str) -> HttpResponse:
        run = self.run_of(request, pk)
        progress = progress_read(run)
        answer = {"state": run.state, "working": run.is_working, "done": progress.done, "total": progress.total}
        answer |= {"percent": progress.percent if run.is_working else 100, "stalled": run_is_stalled(run, times.now())}
        return JsonResponse(answer, headers={"Cache-Control": "no-store"})

    def result_page(self, request: HttpRequest, pk: str) -> HttpResponse:
        run = self.run_of(request, pk)
        try:
            return download(*self.result(request, run))
        except DomainError as refusal:
            messages.error(request, refusal.msg)
            return HttpResponseRedirect(run_url(run))
