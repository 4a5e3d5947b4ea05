"""Export a list of the back office as it is shown: with its filters, its search and its order.

Few rows are sent at once; many are written by a worker, and the page of the export shows how far it is.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, ClassVar, NamedTuple
from urllib.parse import parse_qsl

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse

from core import times
from core.admin.base import AtLeast, OfficeAdmin
from core.admin.listing import ListQuery, admin_of, list_address, list_shown, query_kept
from core.admin.password import require_password
from core.audit import StaffAction, action_record
from core.sheets.write import Page, book_write, download, sheet_write
from permissions.scope import scope_of
from runs.errors import ExportRefused
from runs.models import Export
from runs.pages import run_url
from runs.work import KEEP_FOR, run_send, with_progress

AT_ONCE = 500  # takes a fifth of a second; 2,000 took 0.6 s
MAX_ROWS = 200_000
PORTION = 2_000  # rows that are read from the database together
TOO_MANY = "一次最多导出 {} 行，请先筛选"
MAX_FILTERS = 200  # characters that the list of changes keeps of them


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
        return self.has_export_right(request)

    def has_export_right(self, request: HttpRequest) -> bool:
        right = f"{self.opts.app_label}.export_{self.opts.model_name}"
        return request.user.is_active and self.has_view_permission(request) and request.user.has_perm(right)

    def get_urls(self) -> list[Any]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        return [path("export/", self.admin_site.admin_view(self.export_page), name=name), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {"may_export": self.may_export(request), "export_query": query_kept(request.GET.urlencode())}
        context["export_page"] = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_export")
        return super().changelist_view(request, context | (extra_context or {}))

    def export_page(self, request: HttpRequest) -> HttpResponse:
        if not self.may_export(request):
            raise PermissionDenied
        require_password(request, is_download=True)
        kind = "csv" if request.GET.get("format") == "csv" else "xlsx"
        query = query_kept(request.GET.urlencode())
        back = HttpResponseRedirect(list_address(self))
        try:
            rows = self.export_rows(list_shown(self, request.user, query).queryset)
            count = rows.order_by()[: MAX_ROWS + 1].count()
        except (IncorrectLookupParameters, SuspiciousOperation):
            messages.error(request, "筛选条件不对，没有导出")
            return back
        if count > MAX_ROWS:
            messages.error(request, TOO_MANY.format(MAX_ROWS))
            return back
        now = times.local(times.now())
        name = f"{self.export_name(request)}-{now:%Y%m%d-%H%M}.{kind}".replace("/", "_")
        filters = "；".join(f"{name}={value}" for name, value in parse_qsl(query))[:MAX_FILTERS]
        size = AtLeast(count) if count == self.max_found else count
        action_record(request.user, StaffAction.EXPORT, {"文件": name, "行数": str(size), "筛选": filters})
        if count <= AT_ONCE:
            result = list(rows)
            return download(name, file_of(self, lambda: result, kind, request.user))
        export = export_start(
            model=self.opts.label_lower, query=query, file_name=name, user_pk=request.user.pk, now=now
        )
        return HttpResponseRedirect(run_url(export))


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


# --- In the background ---
def export_start(*, model: str, query: str, file_name: str, user_pk: Any, now: datetime) -> Export:
    """Create an export, and let a worker write its file once this is committed."""
    with transaction.atomic():
        export = Export.objects.create(
            model=model, query=query, file_name=file_name, created_by_id=user_pk, created_at=now, phase_at=now
        )
        run_send(export)
    return export


def export_make(export: Export) -> None:
    """Write the file of an export.

    :raises ExportRefused: the right was taken away meanwhile, or there are too many rows by now.
    """
    page = admin_of(export.model)
    request: Any = ListQuery(export.created_by)
    rows = page.export_rows(list_shown(page, export.created_by, export.query, every=True).queryset)
    total = rows.order_by()[: MAX_ROWS + 1].count()
    if not page.may_export(request):
        raise ExportRefused("没有导出的权限")
    if total > MAX_ROWS:
        raise ExportRefused(TOO_MANY.format(MAX_ROWS))

    # The cursor stays open within the transaction, so all rows of a sheet are of one moment.
    def portions() -> Iterator[Any]:
        return with_progress(rows[:MAX_ROWS].iterator(PORTION), export, total=total)

    export.scope = scope_of(export.created_by).key
    export.content = file_of(page, portions, export.file_name.rpartition(".")[2], export.created_by)
    export.state, export.rows = Export.State.DONE, total


def exports_purge(*, now: datetime) -> int:
    """Delete exports with their files once they are old; return how many."""
    return Export.objects.filter(created_at__lt=now - KEEP_FOR).delete()[0]
