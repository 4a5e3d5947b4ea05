"""The action "delete selected" of every list: show a count and some names first, then delete exactly these rows.

Django's own confirmation page holds a line for each row and each of its relations, and a hidden field for each row.
With 2,000 rows that is more fields than Django reads in one request.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from core.admin.base import page_shown
from core.admin.password import require_password
from core.ids import mark_of

MAX_DELETED = 500  # the rows and what refers to them are read into memory and deleted in one transaction
NAMES_SHOWN = 20
MARK = "mark"  # form field: a hash of the shown rows' keys. If it differs, the selection has changed since


@admin.action(permissions=["delete"], description="删除所选的%(verbose_name_plural)s")
def delete_selected(page: Any, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
    require_password(request)
    selection = list(rows[: MAX_DELETED + 1])
    if len(selection) > MAX_DELETED:
        messages.error(request, f"一次最多删除 {MAX_DELETED} 条，请先筛选，或分批进行")
        return None
    _, counts, missing_rights, protected = page.get_deleted_objects(selection, request)
    mark = mark_of(row.pk for row in selection)
    if MARK in request.POST and not protected:
        if missing_rights:
            raise PermissionDenied
        if request.POST[MARK] == mark:
            page.log_deletions(request, selection)
            page.delete_queryset(request, page.model._default_manager.filter(pk__in=[row.pk for row in selection]))
            messages.success(request, f"已删除 {len(selection)} 条{page.opts.verbose_name}")
            return None
        messages.warning(request, "名单在你确认之前变了，没有删除任何记录。请核对后再次确认")
    with_them = [(name, count) for name, count in counts.items() if name != page.opts.verbose_name_plural]
    return ask(
        page, request, count=len(selection), names=[str(row) for row in selection[:NAMES_SHOWN]], mark=mark,
        pks=[row.pk for row in selection], note="删除后不能恢复。", with_them=with_them,
        refusals=_refusals(page, request, selection, missing_rights, protected),
    )  # fmt: skip


def _refusals(
    page: Any, request: HttpRequest, selection: list[Any], missing_rights: Iterable[Any], protected: list[Any]
) -> list[str]:
    """Say in words why the rows stay: some that must stay, a right that is missing, what refers to them."""
    fixed_rows = []
    if page.has_delete_permission(request):
        fixed_rows = [row for row in selection if not page.has_delete_permission(request, row)]
    refusals = [f"“{row}”{page.needed_because(request, row)}" for row in fixed_rows[:NAMES_SHOWN]]
    names = {str(name) for name in missing_rights} - ({str(page.opts.verbose_name)} if fixed_rows else set())
    refusals += [f"没有删除“{name}”的权限" for name in sorted(names)]
    refusals += [format_html("仍被使用：{}", row) for row in protected[:NAMES_SHOWN]]
    if len(protected) > NAMES_SHOWN:
        refusals.append(f"… 一共被 {len(protected)} 条记录使用")
    if protected:
        refusals.append("请先在这些记录里换成别的，再回来删除")
    return refusals


def ask(page: Any, request: HttpRequest, *, pks: Iterable[Any], **facts: Any) -> HttpResponse:
    """Show how many rows will be deleted and some of their names. Confirming sends the action again, with the mark.

    For "all rows of the list" no keys are sent: the list's address, with its filter, says again which rows they are.
    """
    is_across = request.POST.get("select_across") == "1"
    fields = [("action", "delete_selected"), ("select_across", "1" if is_across else "0"), (MARK, facts["mark"])]
    # Django refuses an action without any key, even when all rows of the list are meant.
    fields += [(ACTION_CHECKBOX_NAME, pk) for pk in islice(pks, 1 if is_across else None)]
    facts = {"posted": fields, "unit": "条", "more": facts["count"] - len(facts["names"])} | facts
    return page_shown(page, request, "backoffice/delete_chosen.html", f"删除{page.opts.verbose_name}", **facts)
