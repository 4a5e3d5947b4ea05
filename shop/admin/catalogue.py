"""Categories and products in the back office."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import RelatedDropdownFilter
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from core.errors import DomainError
from shop.models import Category, Product
from shop.models.catalogue import MAX_STOCK
from shop.services.categories import category_create, category_remove, category_update
from shop.services.products import product_create, product_remove, product_restock, product_update
from uploads.forms import picture_field, picture_take


class OnSaleFilter(admin.SimpleListFilter):
    title, parameter_name = "状态", "removed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(zip(("no", "yes"), model_admin.words, strict=True))

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(removed_at__isnull=self.value() == "no") if self.value() else queryset


class PictureForm(forms.ModelForm):
    """Takes a picture as a file; it goes through ``uploads`` like any other."""

    request: HttpRequest  # set by the admin for each request's own subclass

    picture = picture_field("上传图片")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        cleaned["image_url"] = picture_take(self, cleaned)
        return cleaned


class CategoryForm(PictureForm):
    class Meta:
        model = Category
        fields = ["name"]

    def clean_name(self) -> str:
        same = Category.objects.filter(name=self.cleaned_data["name"], removed_at=None).exclude(pk=self.instance.pk)
        if same.exists():
            raise forms.ValidationError("已经存在该类目,请不要重复添加")
        return self.cleaned_data["name"]


class ProductForm(PictureForm):
    pieces = forms.IntegerField(
        label="库存调整",
        required=False,
        widget=UnfoldAdminIntegerFieldWidget,
        min_value=-MAX_STOCK,
        max_value=MAX_STOCK,
        help_text="增加填正数,减少填负数。按变化量调整,不会覆盖正在发生的销售",
    )

    class Meta:
        model = Product
        fields = ["name", "category", "price", "description", "vip_level", "vip_days"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "pieces" in self.fields and not self.instance.pk:
            self.fields["pieces"].label, self.fields["pieces"].help_text = "库存", ""
        if "category" in self.fields:
            self.fields["category"].queryset = Category.objects.filter(removed_at=None)  # type: ignore[attr-defined]

    def clean_pieces(self) -> int:
        pieces = self.cleaned_data["pieces"] or 0
        if self.instance.stock + pieces < 0:
            raise forms.ValidationError(f"库存现有{self.instance.stock}件,不能减少{-pieces}件")
        return pieces


class CatalogueAdmin(ModelAdmin):
    """What the two have in common: nothing is deleted, everything goes through the services."""

    words = ("使用中", "已删除")
    list_filter_submit = True
    list_per_page = 30
    show_full_result_count = False

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        form.request = request
        return form

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        shown = super().get_fields(request, obj)
        return shown if obj else [name for name in shown if name not in self.readonly_fields]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return {name: entry for name, entry in super().get_actions(request).items() if name != "delete_selected"}

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_gone = getattr(obj, "removed_at", None) is not None
        return super().has_change_permission(request, obj) and not is_gone

    def has_remove_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(f"shop.delete_{self.opts.model_name}")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Hand the form to a service and let ``obj`` be what it made."""
        try:
            saved = self.store(request, obj, form.cleaned_data, change)
        except DomainError as refusal:  # somebody else was a moment faster
            messages.error(request, refusal.msg)
            saved = self.model.objects.filter(pk=obj.pk).first() or obj
        obj.pk = saved.pk
        obj.refresh_from_db() if saved.pk else None

    def store(self, request: HttpRequest, obj: Any, given: dict[str, Any], change: bool) -> Any:
        raise NotImplementedError

    def remove_all(self, request: HttpRequest, rows: QuerySet, remove: Any, done: str) -> None:
        removed = 0
        for row in rows.filter(removed_at=None):
            try:
                remove(row)
                removed += 1
            except DomainError as refusal:
                messages.error(request, f"{row}: {refusal.msg}")
        if removed:
            messages.success(request, f"{done} {removed} 项")

    @display(description="图片")
    def preview(self, row: Any) -> str:
        return _picture(row.image_url, "height:48px", row.name)

    @display(description="当前图片")
    def large_preview(self, row: Any) -> str:
        return _picture(row.image_url, "max-width:100%;max-height:200px", row.name)

    @display(description="状态", label={"使用中": "success", "在售": "success", "已删除": "danger", "已下架": "danger"})
    def status(self, row: Any) -> str:
        return self.words[row.removed_at is not None]


@admin.register(Category)
class CategoryAdmin(CatalogueAdmin):
    form = CategoryForm
    list_display = ["preview", "name", "category_id", "creator", "created_at", "status"]
    list_display_links = ["preview", "name"]
    list_filter = [OnSaleFilter]
    search_fields = ["name", "category_id__startswith"]
    search_help_text = "类目名称,或类目编号的开头"
    readonly_fields = ["large_preview", "category_id", "creator", "created_at", "updator", "updated_at"]
    fields = ["name", "picture", *readonly_fields]
    actions = ["remove_selected"]

    def store(self, request: HttpRequest, obj: Category, given: dict[str, Any], change: bool) -> Category:
        facts = {"name": given["name"], "image_url": given["image_url"], "actor": request.user.get_username()}
        if change:
            return category_update(category_id=obj.category_id, **facts, now=timezone.now())
        return category_create(**facts, now=timezone.now())

    @action(description="删除所选类目(没有商品的)", permissions=["remove"])
    def remove_selected(self, request: HttpRequest, rows: QuerySet[Category]) -> None:
        def remove(category: Category) -> None:
            category_remove(category_id=category.category_id, now=timezone.now())

        self.remove_all(request, rows, remove, "已删除")


@admin.register(Product)
class ProductAdmin(CatalogueAdmin):
    form = ProductForm
    words = ("在售", "已下架")
    list_display = ["preview", "name", "category", "price", "stock", "product_id", "created_at", "status"]
    list_display_links = ["preview", "name"]
    list_select_related = ["category"]
    list_filter = [OnSaleFilter, ("category", RelatedDropdownFilter)]
    search_fields = ["name", "product_id__startswith"]
    search_help_text = "商品名称,或商品编号的开头"
    readonly_fields = ["large_preview", "stock", "product_id", "creator", "created_at", "updator", "updated_at"]
    fields = [
        *("name", "category", "price", "description", "stock", "pieces", "picture"),
        ("vip_level", "vip_days"),
        *(name for name in readonly_fields if name != "stock"),
    ]
    actions = ["remove_selected"]

    def store(self, request: HttpRequest, obj: Product, given: dict[str, Any], change: bool) -> Product:
        who: dict[str, Any] = {"actor": request.user.get_username(), "now": timezone.now()}
        changes = {name: given[name] for name in ("name", "price", "description", "vip_level", "vip_days")}
        changes["category_id"] = given["category"].category_id
        if not change:
            return product_create(**changes, stock=given["pieces"], image_url=given["image_url"], **who)
        if given["image_url"]:
            changes["image_url"] = given["image_url"]
        if given["pieces"]:
            product_restock(product_id=obj.product_id, pieces=given["pieces"], **who)
            if not self._differs(obj, changes):
                return obj
        return product_update(product_id=obj.product_id, **changes, **who)

    @staticmethod
    def _differs(obj: Product, changes: dict[str, Any]) -> bool:
        kept = Product.objects.select_related("category").get(pk=obj.pk)
        category_id = changes["category_id"]
        rest = {name: value for name, value in changes.items() if name != "category_id"}
        return category_id != kept.category.category_id or any(getattr(kept, n) != v for n, v in rest.items())

    @action(description="下架所选商品", permissions=["remove"])
    def remove_selected(self, request: HttpRequest, rows: QuerySet[Product]) -> None:
        def remove(product: Product) -> None:
            product_remove(product_id=product.product_id, now=timezone.now())

        self.remove_all(request, rows, remove, "已下架")


def _picture(url: str, style: str, name: str) -> str:
    return format_html('<img src="{}" alt="{}" loading="lazy" style="{}">', url, name, style) if url else "—"
