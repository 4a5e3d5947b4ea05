"""Categories, products and couriers in the back office."""

from contextlib import suppress
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.forms.models import BaseModelFormSet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from unfold.contrib.filters.admin import RelatedDropdownFilter
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from core import times
from core.admin.base import ChoiceFilter, OfficeAdmin, SelectForm
from core.admin.tables import column
from core.errors import DomainError, NothingChanged
from permissions.scope import present_scope, scope_of
from shop.models import Category, Courier, Product
from shop.models.catalogue import MAX_STOCK
from shop.services.catalogue import (
    category_create,
    category_remove,
    category_update,
    product_create,
    product_remove,
    product_update,
)
from uploads.forms import PictureAdmin, PictureModelForm, picture_field

MAX_CHOSEN = 500


class OnSaleFilter(ChoiceFilter):
    title, parameter_name = "状态", "removed"
    conditions: ClassVar = {"no": ("", Q(removed_at=None)), "yes": ("", ~Q(removed_at=None))}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(zip(self.conditions, model_admin.state_names, strict=True))


class CategoryFilter(RelatedDropdownFilter):
    """Filter by a category that the user sees."""

    form_class = SelectForm

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        ordering = self.field_admin_ordering(field, request, model_admin)
        visible = scope_of(request.user).visible()
        return list(field.get_choices(include_blank=False, ordering=ordering, limit_choices_to=visible))


class PictureForm(PictureModelForm):
    picture = picture_field("上传图片")
    columns: ClassVar = {"picture": ["image_url"]}


class CategoryForm(PictureForm):
    class Meta:
        model = Category
        fields = ["name"]

    def clean_name(self) -> str:
        same_name = Category.objects.filter(present_scope().visible(), name=self.cleaned_data["name"], removed_at=None)
        if same_name.exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError("已经存在该类目，请不要重复添加")
        return self.cleaned_data["name"]


class ProductForm(PictureForm):
    pieces = forms.IntegerField(
        label="库存调整",
        required=False,
        widget=UnfoldAdminIntegerFieldWidget,
        min_value=-MAX_STOCK,
        max_value=MAX_STOCK,
        help_text="增加填正数，减少填负数。按变化量调整，不会覆盖正在发生的销售",
    )
    reason = forms.CharField(label="调整的原因", required=False, max_length=200, widget=UnfoldAdminTextInputWidget)

    class Meta:
        model = Product
        fields = ["name", "category", "price", "description", "vip_level", "vip_days"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "pieces" in self.fields and not self.instance.pk:
            self.fields["pieces"].label, self.fields["pieces"].help_text = "库存", ""
        if "category" in self.fields:
            scope = present_scope()
            categories = Category.objects.filter(scope.visible(), removed_at=None)
            if not scope.is_all:
                pks = [row.pk for row in categories if row.takes_products_of(scope)]
                categories = categories.filter(pk__in=[*pks, self.instance.category_id])
            self.fields["category"].queryset = categories  # type: ignore[attr-defined]

    def facts(self) -> dict[str, Any]:
        """Return what the services of products take of the form."""
        values = {name: self.cleaned_data[name] for name in ("name", "price", "description", "vip_level", "vip_days")}
        return values | {"category_id": self.cleaned_data["category"].category_id}

    def clean_pieces(self) -> int:
        pieces = self.cleaned_data["pieces"] or 0
        if self.instance.stock + pieces < 0:
            raise forms.ValidationError(f"库存现有{self.instance.stock}件，不能减少{-pieces}件")
        return pieces


class ProductRowForm(forms.ModelForm):  # type: ignore[type-arg]
    """A product's price and stock in the list, each with a hidden field of what it was when the page was made."""

    data: Any
    new_picture = ""

    class Meta:
        model = Product
        fields = ["price", "stock"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.show_hidden_initial = True
            field.widget.attrs["aria-label"] = f"{self.instance} {field.label}"
            field.disabled = not self.instance.is_on_sale or not present_scope().may_change(self.instance)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        product = self.instance
        for name in ("price", "stock"):
            text = self.data.get(self.add_prefix(name))
            if not product.is_on_sale and text not in (None, self.data.get(self[name].html_initial_name)):
                self.add_error(name, "同事刚下架了这件商品，没有保存")
        if "price" in self.changed_data and self._shown_value("price") != product.price:
            self.add_error("price", f"同事刚改成了 {product.price}，再保存一次就用你的")
            self.data = self.data.copy()
            self.data[self["price"].html_initial_name] = str(product.price)
        data["pieces"] = 0
        if "stock" in self.changed_data and "stock" in data:
            data["pieces"] = data["stock"] - (self._shown_value("stock") or 0)
            if not 0 <= product.stock + data["pieces"] <= MAX_STOCK:
                self.add_error("stock", f"库存现有{product.stock}件，不能调整{data['pieces']:+d}件")
        return data

    def facts(self) -> dict[str, Any]:
        return {"price": self.cleaned_data["price"]}

    def _shown_value(self, name: str) -> Any:
        return self.fields[name].to_python(self.data.get(self[name].html_initial_name))


class LockedRows(BaseModelFormSet):  # type: ignore[type-arg]
    """The rows of a list that is saved, locked in the order of their keys, as orders lock them."""

    def __init__(self, data: Any = None, files: Any = None, *, queryset: Any, **options: Any) -> None:
        if data is not None:
            list(queryset.select_related(None).order_by("pk").select_for_update(no_key=True))
        super().__init__(data, files, queryset=queryset, **options)


class CatalogueAdmin(PictureAdmin):
    """Base of both pages: a row is taken off sale, never deleted, and every change goes through a service."""

    preview = column("图片", lambda row: _picture(row, "width:48px;height:48px;object-fit:contain"))
    large_preview = column("当前图片", lambda row: _picture(row, "max-width:100%;max-height:200px"))
    state_names = ("使用中", "已删除")
    ordering: ClassVar = [F("removed_at").desc(nulls_first=True), "-pk"]  # what is gone comes last
    list_filter_submit = True
    list_per_page = 30

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(scope_of(request.user).visible())

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        names = super().get_fields(request, obj)
        return names if obj else [name for name in names if name not in self.readonly_fields]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def is_gone(self, row: Any) -> bool:
        return row.removed_at is not None

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        may = super().has_change_permission(request, obj)
        return may and (obj is None or (not self.is_gone(obj) and scope_of(request.user).may_change(obj)))

    def has_right(self, request: HttpRequest, verb: str) -> bool:
        if verb == "delete":
            return self.has_view_permission(request) and self.has_remove_permission(request)
        return super().has_right(request, verb)

    def has_remove_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(f"shop.delete_{self.opts.model_name}")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save through the services, then make ``obj`` the saved row."""
        who = {"actor": request.user.get_username(), "scope": scope_of(request.user), "now": times.now()}
        try:
            if change:
                self.update(obj, form, **who)
            else:
                obj.pk = self.create(form, **who).pk
        except DomainError as refusal:  # for example: a colleague has taken the name or the pieces meanwhile
            messages.error(request, refusal.msg)
        if obj.pk:
            obj.refresh_from_db()

    def create(self, form: Any, **who: Any) -> Any:
        raise NotImplementedError

    def update(self, row: Any, form: Any, **who: Any) -> None:
        raise NotImplementedError

    def remove_all(self, request: HttpRequest, rows: QuerySet[Any], remove: Any, outcome: str) -> None:
        number, key = 0, f"{self.opts.model_name}_id"
        for row in rows.filter(removed_at=None):
            try:
                remove(**{key: getattr(row, key)}, scope=scope_of(request.user), now=times.now())
                number += 1
            except DomainError as refusal:
                messages.error(request, f"{row}：{refusal.msg}")
        if number:
            messages.success(request, f"{outcome} {number} 项")

    @display(description="状态", label={"使用中": "success", "在售": "success", "已删除": "danger", "已下架": "danger"})
    def status(self, row: Any) -> str:
        return self.state_names[row.removed_at is not None]


@admin.register(Category)
class CategoryAdmin(CatalogueAdmin):
    form = CategoryForm
    list_display = ["preview", "name", "category_id", "creator", "created_at", "status"]
    list_display_links = ["name"]
    list_filter = [OnSaleFilter]
    search_fields = ["name", "category_id__startswith"]
    search_help_text = "类目名称，或类目编号的开头"
    readonly_fields = ["large_preview", "category_id", "creator", "created_at", "updator", "updated_at"]
    fields = ["name", "picture", *readonly_fields]
    actions = ["remove_selected"]

    def create(self, form: CategoryForm, **who: Any) -> Category:
        return category_create(name=form.cleaned_data["name"], image_url=form.new_picture, **who)

    def update(self, row: Category, form: CategoryForm, **who: Any) -> None:
        changes = {"name": form.cleaned_data["name"], "image_url": form.new_picture or None}
        with suppress(NothingChanged):
            category_update(category_id=row.category_id, **changes, **who)

    @action(description="删除所选类目（没有商品的）", permissions=["remove"])
    def remove_selected(self, request: HttpRequest, rows: QuerySet[Category]) -> None:
        self.remove_all(request, rows, category_remove, "已删除")


@admin.register(Product)
class ProductAdmin(CatalogueAdmin):
    form = ProductForm
    rights: ClassVar = {**OfficeAdmin.rights, "change": "修改（含价格、库存）", "delete": "下架"}
    state_names = ("在售", "已下架")
    list_display = ["preview", "name", "category", "price", "stock", "product_id", "created_at", "status"]
    list_display_links = ["name"]
    list_editable = ["price", "stock"]
    list_select_related = ["category"]
    list_filter = [OnSaleFilter, ("category", CategoryFilter)]
    search_fields = ["name", "product_id__startswith"]
    search_help_text = "商品名称，或商品编号的开头"
    readonly_fields = ["large_preview", "stock", "product_id", "creator", "created_at", "updator", "updated_at"]
    fields = [
        *("name", "category", "price", "description", "stock", ("pieces", "reason"), "picture"),
        ("vip_level", "vip_days"),
        *(name for name in readonly_fields if name != "stock"),
    ]
    actions = ["goods_chosen", "remove_selected"]
    actions_list = ["goods"]

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> Any:
        return super().get_changelist_form(request, form=ProductRowForm, **kwargs)

    def get_changelist_formset(self, request: HttpRequest, **kwargs: Any) -> Any:
        return super().get_changelist_formset(request, formset=LockedRows, **kwargs)

    @transaction.atomic
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        response = super().changelist_view(request, extra_context)
        changelist = getattr(response, "context_data", {}).get("cl")
        if changelist and changelist.formset and changelist.formset.is_bound:
            # A product that was added meanwhile moves the list's rows, and not those of the form with the mistake.
            changelist.result_list = [form.instance for form in changelist.formset.forms]
        return response

    def create(self, form: ProductForm, **who: Any) -> Product:
        return product_create(**form.facts(), image_url=form.new_picture, stock=form.cleaned_data["pieces"], **who)

    def update(self, row: Product, form: ProductForm | ProductRowForm, **who: Any) -> None:
        stock = {"pieces": form.cleaned_data["pieces"], "reason": form.cleaned_data.get("reason", "")}
        with suppress(NothingChanged):
            product_update(
                product_id=row.product_id, **form.facts(), **stock, image_url=form.new_picture or None, **who
            )

    @action(description="改价、盘点、入库（所选）", permissions=["change"])
    def goods_chosen(self, request: HttpRequest, rows: QuerySet[Product]) -> HttpResponse:
        pks = rows.order_by().values_list("pk", flat=True)[: MAX_CHOSEN + 1]
        if len(pks) > MAX_CHOSEN:  # an address has its limits
            messages.error(request, f"一次最多选 {MAX_CHOSEN} 件；全部商品请用右上角的“改价、盘点、入库”")
            return HttpResponseRedirect(request.get_full_path())
        return HttpResponseRedirect(f"{reverse('admin:shop_goodsrun_start')}?ids={','.join(map(str, pks))}")

    @action(description="改价、盘点、入库", url_path="goods", permissions=["change"])
    def goods(self, request: HttpRequest) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:shop_goodsrun_start"))

    @action(description="下架所选商品", permissions=["remove"])
    def remove_selected(self, request: HttpRequest, rows: QuerySet[Product]) -> None:
        self.remove_all(request, rows, product_remove, "已下架")


@admin.register(Courier)
class CourierAdmin(OfficeAdmin):
    list_display = ["name", "position", "is_active"]
    ordering = ["position", "pk"]


def _picture(row: Any, style: str) -> str:
    picture = '<img src="{}" alt="{}" loading="lazy" style="{}">'
    return format_html(picture, row.image_url, row.name, style) if row.image_url else "—"
