"""Pictures in forms of the back office; they go through ``uploads`` like any other."""

from typing import Any

from django import forms
from django.utils import timezone
from unfold.widgets import UnfoldAdminImageFieldWidget

from core.api.request import absolute_url
from core.errors import DomainError
from uploads.services import image_store


def picture_field(label: str) -> forms.ImageField:
    """A form's field ``picture``; :func:`picture_take` reads it."""
    return forms.ImageField(
        label=label, required=False, widget=UnfoldAdminImageFieldWidget, help_text="JPG、PNG、GIF、WebP,不超过5MB"
    )


def picture_take(form: Any, cleaned: dict[str, Any]) -> str:
    """Store the picture of ``form``, whose ``request`` is set, and answer its address.

    "" when there is none, when the form has errors already, or when the picture was refused: the form then says why.
    """
    file = cleaned.pop("picture", None)
    if not file or form.errors:
        return ""
    try:
        stored = image_store(file=file, user_pk=form.request.user.pk, now=timezone.now())
    except DomainError as refusal:
        form.add_error("picture", refusal.msg)
        return ""
    return absolute_url(form.request, stored.url_path)
