"""Export a list of the back office as it is shown: with its filters, its search and its order.

Few rows are sent at once; many are written by a worker, and the page of the export shows how far it is.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, NamedTuple
from urllib.parse import parse_qsl, urlencode

import structlog
from django.apps import apps
from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import SEARCH_VAR
from django.core.exceptions import FieldDoesNotExist, PermissionDenied, SuspiciousOperation
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import path, reverse
from django.utils.http import content_disposition_header

from core import times
from core.admin.base import AtLeast, OfficeAdmin
from core.admin.password import require_password
from core.audit import StaffAction, action_record
from core.cache.progress import SILENCE, progress_end, progress_read, progress_write, with_progress
from core.db.limits import limits_raise
from core.models import Export
from core.queues import task_send
from core.sheets.write import TYPES, Page, book_write, sheet_write

log = structlog.get_logger("core.exports")

AT_ONCE = 500  # takes a fifth of a second; 2,000 took 0.6 s
MAX_ROWS = 200_000
PORTION = 2_000  # rows that are read from the database together
KEEP_FOR = timedelta(days=7)  # files hold personal data
TOO_MANY = "一次最多导出 {} 行，请先筛选"
MAX_STATEMENT = timedelta(minutes=5)
MAX_FILTERS = 200  # characters that the list of changes keeps of them
_PLACE = ("p", "all", "e", "format")  # where in the list the person is, not what the list shows
# How an address says what it does with a field, and what staff read after the field's name.
_LOOKUPS = {"": "", "__exact": "", "__in": "", "_from": "从", "__gte": "从", "_to": "到", "__lte": "到", "__lt": "早于"}
_LOOKUPS |= {"__startswith": "开头为"}
_FIELD = re.compile(rf"(?s)(.*?)({'|'.join(_LOOKUPS)})")


@dataclass
class ListQuery:
    """Who asks, and the query string of the list: all that a page's list and its permissions read of a request.

    :param is_complete: with the rows that a search finds beyond ``max_found``; that may take seconds.
    """

    user: Any
    GET: QueryDict = field(default_factory=QueryDict)
    path: str = ""
    is_complete: bool = False
    method: str = "GET"
    resolver_match: Any = None

    @property
    def path_info(self) -> str:
        return self.path


def is_complete(request: HttpRequest | ListQuery) -> bool | None:
    """Return what a ``ListQuery`` says; None if a person looks at the list itself."""
    return request.is_complete if isinstance(request, ListQuery) else None


class ExportColumn(NamedTuple):
    """A column of the file: its head, its width in characters, and the value of a row. Money is a ``Decimal``.

    :param is_summed: the last row of a workbook adds it up.
    """

    label: str
    width: int
    value: Callable[[Any], Any]
    is_summed: bool = False


class ExportSheet(NamedTuple):
    """A sheet of a workbook: ``items`` returns what it has a row for, of one row of the list."""

    title: str
    columns: Sequence[ExportColumn]
    items: Callable[[Any], Iterable[Any]]


class ExportableAdmin(OfficeAdmin):
    """A page whose list can be exported by users with the right ``export_`` of its model."""

    export_columns: ClassVar[tuple[ExportColumn, ...]] = ()
    # A search in the list shows that many rows at most, more than ``AT_ONCE``. An export has all of them.
    max_found: ClassVar[int | None] = None
    # What the list calls the filters that are neither fields nor ``SimpleListFilter``s, by their names in the address.
    filter_titles: ClassVar[dict[str, str]] = {}

    export_sheets: ClassVar[tuple[ExportSheet, ...]] = ()  # beside the sheet of the list

    def export_columns_of(self, user: Any) -> Sequence[ExportColumn]:
        """Return the columns of the sheet of the list, for this user."""
        return self.export_columns

    def export_loaded(self, rows: Iterable[Any]) -> Iterable[Any]:
        """Attach to the rows what the columns read and no queryset can load."""
        return rows

    def export_rows(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Load with the rows what the columns read."""
        return rows

    def export_name(self, request: HttpRequest) -> str:
        """Return the beginning of the file's name."""
        return str(self.opts.verbose_name)

    def may_export(self, request: HttpRequest) -> bool:
        right = f"{self.opts.app_label}.export_{self.opts.model_name}"
        return request.user.is_active and self.has_view_permission(request) and request.user.has_perm(right)

    def get_urls(self) -> list[Any]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        return [path("export/", self.admin_site.admin_view(self.export_page), name=name), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        facts = {"may_export": self.may_export(request), "export_query": query_kept(request.GET.urlencode())}
        facts["export_page"] = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_export")
        return super().changelist_view(request, facts | (extra_context or {}))

    def export_page(self, request: HttpRequest) -> HttpResponse:
        if not self.may_export(request):
            raise PermissionDenied
        require_password(request, is_download=True)
        kind = "csv" if request.GET.get("format") == "csv" else "xlsx"
        query = query_kept(request.GET.urlencode())
        back = HttpResponseRedirect(_list_address(self))
        try:
            changelist = list_shown(self, request.user, query)
            rows = self.export_rows(changelist.queryset)
            count = rows.order_by()[: MAX_ROWS + 1].count()
        except (IncorrectLookupParameters, SuspiciousOperation):
            messages.error(request, "筛选条件不对，没有导出")
            return back
        if count > MAX_ROWS:
            messages.error(request, TOO_MANY.format(MAX_ROWS))
            return back
        now = times.local(times.now())
        name = f"{self.export_name(request)}-{now:%Y%m%d-%H%M}.{kind}".replace("/", "_")
        filters = "；".join(_in_words(changelist, *pair) for pair in parse_qsl(query))[:MAX_FILTERS]
        size = AtLeast(count) if count == self.max_found else count
        action_record(request.user, StaffAction.EXPORT, {"文件": name, "行数": str(size), "筛选": filters})
        if count <= AT_ONCE:
            result = list(rows)
            return download(name, file_of(self, lambda: result, kind, request.user))
        export = export_start(
            model=self.opts.label_lower, query=query, file_name=name, user_pk=request.user.pk, now=now
        )
        return HttpResponseRedirect(reverse("admin:core_export_change", args=[export.pk]))


def query_kept(query: str) -> str:
    """Return a query string without what does not change which rows a list shows."""
    pairs = parse_qsl(query, keep_blank_values=True)
    return urlencode([(name, value) for name, value in pairs if name not in _PLACE and name[:1] != "_"])


def list_shown(page: OfficeAdmin, user: Any, query: str, *, every: bool = False) -> Any:
    """Return Django's ``ChangeList`` of a page for a query string.

    :param every: with the rows that a search finds beyond ``max_found``; that may take seconds.
    :raises IncorrectLookupParameters, SuspiciousOperation: the list does not understand the query.
    """
    if "%00" in query:  # Django would show the list without the filter, and say so
        raise IncorrectLookupParameters
    request: Any = ListQuery(user, QueryDict(query), _list_address(page), is_complete=every)
    return page.get_changelist_instance(request)


def _in_words(changelist: Any, name: str, value: str) -> str:
    """Say one filter of an address as the list does, or as it stands where the list has no words for it."""
    title, labels = _names_of(changelist, name)
    if not title:
        return f"{name}={value}"
    values = value.split(",") if labels else [value]
    return f"{title}：{'、'.join(labels.get(one, one) for one in values)}"


def _names_of(changelist: Any, name: str) -> tuple[str, dict[str, str]]:
    """Return a filter's title, "" if it has none, and the labels of its values."""
    titles = {SEARCH_VAR: "搜索"} | changelist.model_admin.filter_titles
    if name in titles:
        return titles[name], {}
    for one in changelist.filter_specs:
        if isinstance(one, admin.SimpleListFilter) and one.parameter_name == name:
            return str(one.title), {str(key): str(label) for key, label in one.lookup_choices}
    parts: Any = _FIELD.fullmatch(name)
    try:
        field: Any = changelist.opts.get_field(parts[1])
    except FieldDoesNotExist:
        return "", {}
    if not field.concrete:
        return "", {}
    return f"{field.verbose_name}{_LOOKUPS[parts[2]]}", {str(key): str(label) for key, label in field.flatchoices}


def _list_address(page: OfficeAdmin) -> str:
    return reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist")


def file_of(page: ExportableAdmin, read_rows: Callable[[], Iterable[Any]], kind: str, user: Any) -> bytes:
    """Write the file. ``read_rows`` is called once for each sheet."""
    first = ExportSheet(str(page.opts.verbose_name), page.export_columns_of(user), lambda row: (row,))
    sheets = (first, *page.export_sheets) if kind == "xlsx" else (first,)
    pages = [_sheet_page(page, sheet, read_rows()) for sheet in sheets]
    return book_write(*pages) if kind == "xlsx" else sheet_write(kind, pages[0].head, pages[0].rows)


def _sheet_page(page: ExportableAdmin, sheet: ExportSheet, rows: Iterable[Any]) -> Page:
    columns = sheet.columns
    items = (item for row in page.export_loaded(rows) for item in sheet.items(row))
    values = ([column.value(item) for column in columns] for item in items)
    sums = [at for at, column in enumerate(columns) if column.is_summed]
    return Page(sheet.title, [column.label for column in columns], values, [column.width for column in columns], sums)


def download(name: str, content: bytes) -> HttpResponse:
    """Send a sheet as a file."""
    response = HttpResponse(content, content_type=TYPES[name.rpartition(".")[2]])
    response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    return response


# --- In the background ---
def export_start(*, model: str, query: str, file_name: str, user_pk: Any, now: datetime) -> Export:
    """Create an export, and let a worker write its file once this is committed."""
    with transaction.atomic():
        export = Export.objects.create(
            model=model, query=query, file_name=file_name, created_by_id=user_pk, created_at=now, begun_at=now
        )
        task_send("core.export_make", export.pk)
    return export


def export_restart(*, export: Export, now: datetime) -> None:
    """Send an export that has no file to a worker once more; that is always safe."""
    with transaction.atomic():
        unfinished = Export.objects.filter(pk=export.pk).exclude(state=Export.State.DONE)
        if unfinished.update(state=Export.State.WORKING, message="", begun_at=now):
            task_send("core.export_make", export.pk)


def export_make(*, export_pk: int) -> None:
    """Write the file. A second worker at the same time finds the row locked and leaves."""
    work = progress_name(export_pk)
    try:
        with transaction.atomic():
            limits_raise(MAX_STATEMENT)
            exports = Export.objects.select_for_update(skip_locked=True, no_key=True, of=("self",))
            export = exports.filter(pk=export_pk, state=Export.State.WORKING).first()
            if export is None:
                return
            progress_write(work, 0, 0)
            _write(export, work)
    except Exception:
        log.exception("export failed", export=export_pk)
        message = "导出时出现意外错误。可以重新开始；仍然失败请联系管理员"
        Export.objects.filter(pk=export_pk, state=Export.State.WORKING).update(
            state=Export.State.FAILED, message=message
        )
    progress_end(work)


def _write(export: Export, work: str) -> None:
    page: Any = admin.site._registry[apps.get_model(export.model)]
    request: Any = ListQuery(export.created_by)
    rows = page.export_rows(list_shown(page, export.created_by, export.query, every=True).queryset)
    total = rows.order_by()[: MAX_ROWS + 1].count()
    export.state = Export.State.FAILED
    if not page.may_export(request):  # the right was taken away meanwhile
        export.message = "没有导出的权限"
    elif total > MAX_ROWS:
        export.message = TOO_MANY.format(MAX_ROWS)
    else:
        # The cursor stays open within the transaction, so all rows of a sheet are of one moment.
        def portions() -> Iterator[Any]:
            return with_progress(rows[:MAX_ROWS].iterator(PORTION), work, total=total)

        export.scope = export.created_by.role.data_scope
        export.content = file_of(page, portions, export.file_name.rpartition(".")[2], export.created_by)
        export.state, export.rows = Export.State.DONE, total
    export.save()


def progress_name(export_pk: int) -> str:
    return f"export-{export_pk}"


def export_is_stalled(export: Export, now: datetime) -> bool:
    """Tell whether the export seems to have lost its worker. Its page then offers to start it again."""
    is_silent = not progress_read(progress_name(export.pk)).has_started
    return export.state == Export.State.WORKING and now - export.begun_at > SILENCE and is_silent


def exports_purge(*, now: datetime) -> int:
    """Delete exports with their files once they are old; return how many."""
    return Export.objects.filter(created_at__lt=now - KEEP_FOR).delete()[0]
