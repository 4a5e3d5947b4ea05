"""改价与盘点: products by sheet or by percentage, looked at before they change, and the log of what was changed."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path

from core import times
from core.admin.base import page_shown
from core.api.bodies import takes_files
from core.audit import Actor, StaffAction, action_head, action_record
from core.errors import DomainError
from core.ids import pks_of
from core.sheets.read import rows_sent
from core.sheets.write import download, sheet_write
from permissions.scope import Scope, scope_of
from runs.pages import RunAdmin, run_url
from shop.models import GoodsRun, Product
from shop.services.goods import (
    HEADS,
    MAX_ROWS,
    GoodsRow,
    goods_apply,
    goods_counted,
    goods_prepare,
    goods_read,
    goods_repriced,
    goods_undo,
    products_on_sale,
)

COUNTED_WITHIN = timedelta(days=1)  # a sheet of a product that was counted since is perhaps the same one


class GoodsForm(forms.Form):
    percent = forms.DecimalField(
        label="价格加减 %", required=False, min_value=-90, max_value=900, max_digits=5, decimal_places=2
    )
    reason = forms.CharField(label="原因", required=False, max_length=200)
    sheet = forms.FileField(label="或者填好的商品表：选好就到预览", required=False)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not self.errors and (data.get("sheet") is None) == (not data.get("percent")):
            raise forms.ValidationError("请填价格加减的百分比，或上传商品表，两者选一")
        return data

    def rows(self, products: Iterable[Product], scope: Scope) -> list[GoodsRow]:
        if self.cleaned_data["sheet"]:
            return goods_read([cells for _, cells in rows_sent("", self.cleaned_data["sheet"])], scope)
        return goods_repriced(products, self.cleaned_data["percent"])


@admin.register(GoodsRun)
class GoodsRunAdmin(RunAdmin):
    list_display = ["file_name", "state_label", "reason", "created_by", "created"]
    list_select_related = ["created_by"]
    run_template = "shop/goods_run.html"

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("shop.change_product"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[GoodsRun]:
        runs = super().get_queryset(request).defer("rows")  # thousands of products each, of which the list shows none
        scope = scope_of(request.user)
        return runs if scope.is_all else runs.filter(scope.opens_q("scope"), created_by=request.user.pk)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        return [
            path("start/", takes_files(view(self.start_page)), name="shop_goodsrun_start"),
            path("sheet.xlsx", view(self.sheet_page), name="shop_goodsrun_sheet"),
            *super().get_urls(),
        ]

    def products(self, request: HttpRequest) -> list[Product]:
        """Return the products that the page is about: those in ``?ids=``, else all in sight that are on sale."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        products = products_on_sale(scope_of(request.user))
        if "ids" in request.GET:
            products = products.filter(pk__in=pks_of(request.GET["ids"].split(",")))
        rows = list(products[: MAX_ROWS + 1])
        if len(rows) > MAX_ROWS:
            messages.warning(request, f"一次最多 {MAX_ROWS} 件，这里只有前面的，其余请在列表里筛选、勾选")
        return rows[:MAX_ROWS]

    def start_page(self, request: HttpRequest) -> HttpResponse:
        products, user = self.products(request), request.user
        form = GoodsForm(request.POST, request.FILES) if request.method == "POST" else GoodsForm()
        if form.is_valid():
            percent, sheet, reason = (form.cleaned_data[name] for name in ("percent", "sheet", "reason"))
            name = sheet.name if sheet else f"价格 {percent:+}%"
            try:
                scope = scope_of(user)
                rows = form.rows(products, scope)
                who: dict[str, Any] = {"user_pk": user.pk, "scope": scope}
                run = goods_prepare(rows=rows, file_name=name, reason=reason, **who, now=times.now())
                return HttpResponseRedirect(run_url(run))
            except DomainError as refusal:
                messages.error(request, refusal.msg)
        query = f"?ids={request.GET['ids']}" if "ids" in request.GET else ""
        context = {"form": form, "number": len(products), "query": query}
        return page_shown(self, request, "shop/goods_start.html", "改价、盘点、入库", **context)

    def sheet_page(self, request: HttpRequest) -> HttpResponse:
        """Send the sheet to fill in, with the stock of this moment."""
        products = self.products(request)
        action_record(request.user, StaffAction.EXPORT, {"文件": "商品表", "行数": str(len(products))})
        rows = ([one.product_id, one.name, one.category.name, one.price, one.stock, None, None, ""] for one in products)
        content = sheet_write("xlsx", list(HEADS), rows, [20, 30, 14, 12, 10, 10, 8, 30])
        return download(f"商品表-{times.local(times.now()):%Y%m%d-%H%M}.xlsx", content)

    def act(self, request: HttpRequest, run: GoodsRun) -> None:
        is_undo = request.POST.get("do") == "undo"
        if not _may_act(request, run):
            raise PermissionDenied
        do, action = (goods_undo, StaffAction.UNDO) if is_undo else (goods_apply, StaffAction.BULK)
        do(run=run, actor=Actor.of(request.user), scope=scope_of(request.user), now=times.now())
        number = len(run.rows)
        words = {"文件": run.file_name, "行数": str(number), "原因": run.reason}
        action_head(run, action, words, actor_pk=request.user.pk)
        messages.success(request, f"{'已撤销' if is_undo else '已写入'} {number} 件商品")

    def context(self, request: HttpRequest, run: GoodsRun) -> dict[str, Any]:
        rows, is_ready = [GoodsRow(**row) for row in run.rows], run.state == GoodsRun.State.READY
        return {
            "rows": rows,
            "counted": goods_counted(run=run, since=run.created_at - COUNTED_WITHIN) if is_ready else "",
            "errors": sum(bool(row.error) for row in rows),
            "new": sum(row.is_new for row in rows),
            "may_act": _may_act(request, run),
        }

    def result(self, request: HttpRequest, run: GoodsRun) -> tuple[str, bytes]:
        heads = ("商品", "原价（元）", "新价（元）", "账面库存", "实盘库存", "差异", "入库", "原因")
        rows = (
            [row.name, row.old_price, row.price, row.expected, row.counted, row.difference, row.arrived, row.reason]
            for row in (GoodsRow(**row) for row in run.rows)
        )
        return f"{run.file_name.removesuffix('.xlsx')}-差异.xlsx", sheet_write("xlsx", heads, rows)


def _may_act(request: HttpRequest, run: GoodsRun) -> bool:
    """Tell whether the user, who may change products, may carry out the run and take it back: it may add some, too."""
    return request.user.has_perm("shop.add_product") or not any(GoodsRow(**row).is_new for row in run.rows)
