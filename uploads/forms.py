"""A field for a picture in forms of the back office.

The file is stored before the form is processed. Its signed address then travels in a hidden field, so that a form with
errors can be shown again without losing the picture.
"""

from typing import Any, ClassVar

from django import forms
from django.core import signing
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminImageFieldWidget

from core import times
from core.admin.base import OfficeAdmin
from core.api.request import present_request
from core.errors import DomainError
from uploads.services import ORPHAN_AFTER, image_store

FILE = "picture"  # the name of the form's field and of its file
STORED = "picture_stored"  # the hidden field with the signed address of a picture that was just stored
_SALT = "uploads.forms"


class PictureWidget(UnfoldAdminImageFieldWidget):
    """A file input, with a hidden field for a picture that was stored when the form was sent before."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> str:
        try:
            return signing.loads(data.get(STORED, ""), salt=_SALT, max_age=ORPHAN_AFTER)
        except signing.BadSignature:
            return ""

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return STORED not in data

    def format_value(self, value: Any) -> Any:
        return value  # for core.admin.conflicts: Django returns only files, and ours is the address of one

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        file = super().render(name, None, attrs, renderer)
        if not isinstance(value, _NewPicture):
            return file
        return format_html(
            '{}<input type="hidden" name="{}" value="{}"><p class="bo-chosen">{}已上传，保存后生效</p>',
            file, STORED, signing.dumps(str(value), salt=_SALT), picture_shown(value),
        )  # fmt: skip


class _NewPicture(str):
    """The address of a picture that was sent with the form. The type tells it from the record's present picture."""


class PictureField(forms.Field):
    """A picture; its value is an address. If no file is sent, it is the address that the record has."""

    widget = PictureWidget

    def bound_data(self, data: Any, initial: Any) -> Any:
        return _NewPicture(data) if data else initial

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(data) and data != initial

    def in_words(self, value: Any) -> str | SafeString:
        return picture_shown(value) if value else "（空）"


def picture_shown(address: str) -> SafeString:
    return format_html('<img src="{}" alt="" class="bo-thumb">', address)


def picture_field(label: str) -> PictureField:
    return PictureField(label=label, required=False, help_text="JPG、PNG、GIF、WebP，不超过5MB")


class PictureModelForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's has none at run time
    """A form with a field ``picture``, for the model's column that ``columns`` names."""

    columns: ClassVar[dict[str, list[str]]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        [column] = self.columns[FILE]
        self.initial[FILE] = getattr(self.instance, column)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if refusal := getattr(present_request(), "picture_refusal", ""):
            self.add_error(FILE, refusal)
        return data

    @property
    def new_picture(self) -> str:
        """Return the address of the picture that was sent with the form, "" without one."""
        return self.cleaned_data[FILE] if FILE in self.changed_data else ""


class PictureAdmin(OfficeAdmin):
    """Stores the picture of a sent form before the transaction begins, because a rollback would not remove the file."""

    takes_files = True  # see core.api.bodies

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, *args: Any, **kw: Any) -> Any:
        if request.method == "POST":
            self._store_picture(request, object_id)
        return super().changeform_view(request, object_id, *args, **kw)

    def _store_picture(self, request: HttpRequest, object_id: str | None) -> None:
        may = self.has_change_permission(request) if object_id else self.has_add_permission(request)
        file = request.FILES.get(FILE)
        if not may or not isinstance(file, UploadedFile):
            return
        try:
            picture = image_store(file=file, user_pk=request.user.pk, now=times.now())
        except DomainError as refusal:
            request.picture_refusal = refusal.msg  # type: ignore[attr-defined]
            return
        data = request.POST.copy()
        data[STORED] = signing.dumps(picture.url_path, salt=_SALT)
        request.POST = data  # type: ignore[assignment]
