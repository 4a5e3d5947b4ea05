"""The runs of students in the back office: imports, pictures, deletions, changes of many and steps of classes."""

from collections import Counter
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from unfold.widgets import UnfoldAdminFileFieldWidget

from core import times
from core.admin.base import KnownCount, page_shown
from core.admin.password import require_password
from core.admin.tables import column
from core.api.bodies import takes_files
from core.errors import DomainError
from core.sheets.read import MAX_FILE_BYTES, SHEET_START, sheet_refusal
from core.sheets.workbook_reader import MAX_ROWS, ZIP
from core.sheets.write import TYPES, Page, book_write, download, sheet_write
from core.times import format_office_time
from permissions.scope import scope_of
from runs.errors import RunNotReady
from runs.pages import RunAdmin, run_url
from runs.work import KEEP_FOR, run_held, run_move, run_restart
from students.bulk import diff_shown
from students.columns import COLUMNS
from students.errors import ImportUndecided, SelectionChanged
from students.models import RunKind, RunState, TransferRow, TransferRun
from students.run_facts import Choices, UndoNote
from students.runs import (
    counts_text,
    rights_needed,
    run_adjust,
    run_can_undo,
    run_cancel,
    run_confirm,
    run_start,
    run_undo,
)
from students.transfer.import_apply import import_confirm
from students.transfer.import_page import (
    REST,
    cells_typed,
    choices_posted,
    columns_posted,
    hidden_from,
    import_facts,
    rest_decided,
    rows_of,
    tabs_of,
)
from students.transfer.photos import MAX_FILES, MAX_ZIP_BYTES, WRITTEN, photo_read, photos_choose

PER_PAGE = 40  # rows of a run
CHECKED_AGAIN = {"check", "all_same", "all_new"}  # buttons after which an import is checked anew


class FileForm(forms.Form):
    """The file of an import, or the ZIP of a batch of pictures."""

    file = forms.FileField(label="文件", widget=UnfoldAdminFileFieldWidget)

    def __init__(self, kind: str, *args: Any) -> None:
        super().__init__(*args)
        self.is_zip = kind == RunKind.PHOTOS
        self.fields["file"].widget.attrs["accept"] = ".zip" if self.is_zip else ".xlsx,.xls,.csv"

    def clean_file(self) -> Any:
        file, limit = self.cleaned_data["file"], MAX_ZIP_BYTES if self.is_zip else MAX_FILE_BYTES
        if file.size > limit:
            raise forms.ValidationError(f"文件不能超过{limit // 1024**2}MB")
        # Say at once what a worker would say later: the person still knows which file it was.
        start = file.read(SHEET_START)
        file.seek(0)
        no_zip = "" if start.startswith(ZIP) else "这不是 ZIP 文件，请把图片打包成一个 .zip"
        if refusal := no_zip if self.is_zip else sheet_refusal(file.name.lower(), start):
            raise forms.ValidationError(refusal)
        return file


def template_bytes(kind: str) -> bytes:
    """Make the sheet to fill in; as .xlsx it has a second sheet that says what goes where."""
    head = [column.label for column in COLUMNS]
    if kind == "csv":
        return sheet_write("csv", head, [])
    hints = [[column.label, column.hint, column.sample] for column in COLUMNS]
    sheet = Page("学员", head, [], [column.width for column in COLUMNS])
    return book_write(sheet, Page("填写说明", ["列", "怎样填", "例"], hints, [12, 44, 34]))


def may_transfer(request: HttpRequest) -> bool:
    """Tell whether the user may add and change students."""
    return bool(request.user.is_active and request.user.has_perms(rights_needed(RunKind.IMPORT)))


def runs_seen(request: HttpRequest) -> Q | None:
    """Match the runs that the user may see: of the kinds that the user may start. None if there are no such kinds.

    A run shows and changes students, so the data scope counts.
    """
    kinds = {kind for kind in RunKind if request.user.is_active and request.user.has_perms(rights_needed(kind))}
    kinds |= {RunKind.DELETE} if may_transfer(request) else set()
    own = Q() if scope_of(request.user).is_all else Q(created_by=request.user.pk)
    return Q(kind__in=kinds) & own if kinds else None


def may_undo(request: HttpRequest, run: TransferRun) -> bool:
    """Tell whether the user, who sees the run, may undo it: to undo an import deletes students, too."""
    return bool(request.user.has_perms(rights_needed(run.kind, to_undo=True)))


@admin.register(TransferRun)
class TransferRunAdmin(RunAdmin):
    rights: ClassVar = {"view": "查看"}
    list_display = ["title", "state_label", "summary", "created_by", "created"]
    list_filter = ["kind", "state"]
    list_filter_submit = True
    list_before_template = "students/transfer_toolbar.html"
    title = column("文件", str)
    summary = column("行数", lambda run: counts_text(run) or "—")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return runs_seen(request) is not None

    def get_queryset(self, request: HttpRequest) -> QuerySet[TransferRun]:
        rows = super().get_queryset(request).select_related("created_by", "undone_by")
        return rows.filter(runs_seen(request) or Q(pk__in=[]), scope_of(request.user).opens_q("options__scope"))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"may_transfer": may_transfer(request)} | (extra_context or {}))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("import/", view(self.start_page), {"kind": RunKind.IMPORT}, name="students_import"),
            path("photos/", view(self.start_page), {"kind": RunKind.PHOTOS}, name="students_photos"),
            path("template.<str:kind>", view(self.template_page), name="students_template"),
            path("<str:pk>/photo/<int:number>/", view(self.photo_page), name="students_photo"),
            *super().get_urls(),
        ]

    @takes_files
    def start_page(self, request: HttpRequest, kind: RunKind) -> HttpResponse:
        if not may_transfer(request):
            raise PermissionDenied
        form = FileForm(kind, request.POST or None, request.FILES or None)
        if not form.is_valid():
            max_mb = (MAX_FILE_BYTES if kind == RunKind.IMPORT else MAX_ZIP_BYTES) // 1024**2
            context = {"columns": COLUMNS, "max_rows": MAX_ROWS, "max_files": MAX_FILES, "max_mb": max_mb}
            return page_shown(self, request, f"students/{kind}_start.html", str(kind.label), form=form, **context)
        file, who = form.cleaned_data["file"], request.user.pk
        run = run_start(kind=kind, user_pk=who, now=times.now(), file_name=file.name, source=file.read())
        return HttpResponseRedirect(run_url(run))

    def template_page(self, request: HttpRequest, kind: str) -> HttpResponse:
        if not may_transfer(request):
            raise PermissionDenied
        if kind not in TYPES:
            raise Http404
        return download(f"学员导入模板.{kind}", template_bytes(kind))

    # --- One run ---
    def act(self, request: HttpRequest, run: TransferRun) -> str | None:
        now, user_pk, data = times.now(), request.user.pk, request.POST
        match data.get("do"):
            case "confirm" if run.kind == RunKind.PHOTOS:
                with run_held(run, [RunState.READY]):
                    photos_choose(run, data)
                    run_confirm(run=run, user_pk=user_pk, now=now)
            case "map":
                run_adjust(run=run, now=now, options={"columns": columns_posted(run, data)})
            case "undo":
                if not may_undo(request, run):
                    raise PermissionDenied
                require_password(request)
                run_undo(run=run, user_pk=user_pk, now=now)
            case "restart":
                run_restart(run=run, now=now)
            case "cancel":
                run_cancel(run=run)
            case do if run.kind == RunKind.IMPORT:
                try:
                    self._decide(request, run, do)
                except RunNotReady as refusal:
                    typed = "、".join(cells_typed(run, data))
                    raise RunNotReady(refusal.msg + (f"。没有保存您填的：{typed}" if typed else "")) from None
                return data.get("go")
        return None

    def _decide(self, request: HttpRequest, run: TransferRun, do: str | None) -> None:
        """Keep what the page's form decides about the rows, and check them again or write them.

        :raises RunNotReady: a worker is at it, or it is over.
        :raises SelectionChanged: an earlier release has made the page, so what the person has changed is not known.
        """
        data, now = request.POST, times.now()
        if "shown" not in data:
            raise SelectionChanged("这一页是系统升级之前打开的，您的修改没有保存。请核对后再来一次")
        with run_held(run, run.waiting) as held:
            choices, is_stale, lost = choices_posted(held, data, hidden_from(held, request.user))
            if is_stale:
                kept = f"没有保存：{'；'.join(lost)}，同事改成了别的" if lost else "您的修改也保存了"
                messages.warning(request, f"同事刚刚改过这一页的选择，{kept}。请核对后再来一次")
                do = None
            if do in REST:
                choices = rest_decided(held, choices, do)
            if do in CHECKED_AGAIN or choices.rows_differ(Choices.load(held.options)):
                run_adjust(run=held, now=now, options=choices.dump())
                if do == "confirm":
                    messages.warning(request, "已按您的修改重新检查，请核对后再确认")
                return
            held.options |= choices.dump()
            run_move(held, held.waiting, options=held.options)
            if do == "confirm":
                self._confirm(request, held, now)

    def _confirm(self, request: HttpRequest, run: TransferRun, now: datetime) -> None:
        """Let a worker write the rows, or say what is undecided; the choices are kept in either case."""
        data, user = request.POST, request.user
        sure = {"is_new_sure": data.get("sure_new") == "1", "is_full_sure": data.get("full") == "1"}
        try:
            import_confirm(run=run, scope=scope_of(user), user_pk=user.pk, now=now, **sure)
        except ImportUndecided as refusal:
            messages.error(request, refusal.msg)

    def photo_page(self, request: HttpRequest, pk: str, number: int) -> HttpResponse:
        """Show a picture of the ZIP beside the student it may belong to."""
        try:
            content, kind = photo_read(self.run_of(request, pk), number)
        except DomainError:
            raise Http404 from None
        # It comes as it was sent in: let a browser treat it as a picture and nothing else.
        headers = {
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cache-Control": "private, max-age=3600",
        }
        return HttpResponse(content, content_type=kind, headers=headers)

    def template_of(self, run: TransferRun) -> str:
        return f"students/run_{run.kind}.html"

    def context(self, request: HttpRequest, run: TransferRun) -> dict[str, Any]:
        """Return one page of the run's rows, and what the buttons depend on."""
        context = {
            "counts": Counter(run.counts),
            "may_undo": may_undo(request, run) and run_can_undo(run, times.now()),
            "undo_until": format_office_time(run.created_at + KEEP_FOR),
            "note": UndoNote.load(run.options),
        }
        if run.kind == RunKind.PHOTOS:  # all ticks are sent together
            return context | {"rows": TransferRow.objects.filter(run=run)}
        tabs = tabs_of(run)
        kind, _, number = next((tab for tab in tabs if tab[0] == request.GET.get("kind")), (*tabs, ("", "", 0))[0])
        page = KnownCount(rows_of(run, kind), PER_PAGE, number).get_page(request.GET.get("p", "1"))
        context |= {"kind": kind, "page": page, "tabs": tabs}
        if run.kind == RunKind.IMPORT:
            return context | import_facts(run, request, page)
        return context | {"rows": [(row, diff_shown(row.diff).values() if row.kind in WRITTEN else ()) for row in page]}
