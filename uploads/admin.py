"""Stored pictures in the back office, with the records that refer to them."""

from typing import Any, ClassVar

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from unfold.decorators import display

from core.admin.base import OfficeAdmin, ReadOnlyRows
from permissions.scope import scope_of
from uploads.models import Upload


class InUseFilter(admin.SimpleListFilter):
    title, parameter_name = "引用", "used"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "使用中"), ("no", "闲置（24小时后清理）")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(idle_since__isnull=self.value() == "yes") if self.value() else queryset


@admin.register(Upload)
class UploadAdmin(ReadOnlyRows, OfficeAdmin):
    """Pictures, read-only: they are uploaded through the API or with a record, and removed when no record uses them."""

    rights: ClassVar = {"view": "查看"}
    list_display = ["preview", "short_name", "dimensions", "size", "used_by", "uploaded_by", "created_at"]
    list_filter = [InUseFilter, "content_type", "created_at"]
    search_fields = ["name", "uses__owner"]
    search_help_text = "文件名，或引用者如 Student:12"
    list_select_related = ["uploaded_by"]
    fields = ["large_preview", "name", *list_display[2:], "content_type", "idle_since"]
    readonly_fields = fields
    list_per_page = 20

    def get_queryset(self, request: HttpRequest) -> Any:
        scope, uploads = scope_of(request.user), super().get_queryset(request).prefetch_related("uses")
        return uploads.filter(uploaded_by=scope.user_pk) if scope.is_narrow else uploads

    @display(description="预览")
    def preview(self, upload: Upload) -> str:
        style = "height:48px;max-width:none"
        return format_html('<img src="{}" alt="查看图片" loading="lazy" style="{}">', upload.url_path, style)

    @display(description="预览")
    def large_preview(self, upload: Upload) -> str:
        return format_html('<img src="{}" alt="" style="max-width:100%;max-height:480px">', upload.url_path)

    @display(description="文件", ordering="name")
    def short_name(self, upload: Upload) -> str:
        return f"{upload.name[:16]}….{upload.name.rpartition('.')[2]}"

    @display(description="尺寸")
    def dimensions(self, upload: Upload) -> str:
        return f"{upload.width}×{upload.height}"

    @display(description="大小", ordering="size_bytes")
    def size(self, upload: Upload) -> str:
        return filesizeformat(upload.size_bytes)

    @display(description="引用者")
    def used_by(self, upload: Upload) -> str:
        return format_html_join("、", "{}", ((_owner(use.owner),) for use in upload.uses.all())) or "—"


def _owner(owner: str) -> str:
    """Return a link with the readable name of an owner such as ``students.Student:12``, or ``shop.Product:3:a.png``."""
    label, _, rest = owner.partition(":")
    pk = rest.partition(":")[0]
    try:
        model = apps.get_model(label)
    except (LookupError, ValueError):  # its model does not exist any more
        return owner
    name = getattr(model, "owner_label", model._meta.verbose_name)
    try:
        page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[pk])
    except NoReverseMatch:
        return f"{name} #{pk}"
    return format_html('<a class="text-link" href="{}">{} #{}</a>', page, name, pk)
