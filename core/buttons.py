"""Back-office pages on which nothing can be typed in: what may be done with a row is buttons.

A button calls the same service as the API does, for one row on its page or for rows chosen in the list.
"""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.admin import ModelAdmin
from unfold.dataclasses import UnfoldAction

from core.errors import DomainError


class ButtonsAdmin(ModelAdmin):
    """Base of such a page: name the buttons in ``labels`` and say in ``press`` what each does."""

    labels: ClassVar[dict[str, str]] = {}
    chosen = "(所选)"  # follows a label where it means the rows chosen in the list
    list_per_page = 30
    show_full_result_count = False

    def press(self, request: HttpRequest, name: str, row: Any) -> str:
        """Do what the button ``name`` says; answer what became of it, or "" when its label says it all.

        :raises DomainError: it was refused; the member of staff reads why.
        """
        raise KeyError(name)

    def offered(self, request: HttpRequest, object_id: Any) -> Iterable[str]:
        """Names of the buttons on the page of one row."""
        return self.labels if self.has_change_permission(request) else ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        if not self.has_change_permission(request):
            return {}
        return {name: (_bulk(name), name, label + self.chosen) for name, label in self.labels.items()}

    def get_actions_submit_line(self, request: HttpRequest, object_id: Any) -> list[UnfoldAction]:
        return [_as_unfold(name, self.labels[name]) for name in self.offered(request, object_id)]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if request.method == "POST" and object_id:
            return self._press_posted(request, object_id)
        no_save = dict.fromkeys(("show_save", "show_save_and_continue", "show_save_and_add_another"), False)
        return super().changeform_view(request, object_id, form_url, no_save | (extra_context or {}))

    def _press_posted(self, request: HttpRequest, object_id: str) -> HttpResponse:
        # Not Django's own saving: that would hold a transaction while the provider is asked.
        row = self.get_object(request, object_id)
        if row is None or not self.has_change_permission(request, row):
            raise PermissionDenied
        for name in self.labels:
            if _field_name(name) in request.POST:
                self.press_and_tell(request, name, row)
        return HttpResponseRedirect(request.path)

    def press_and_tell(self, request: HttpRequest, name: str, row: Model) -> None:
        label = self.labels[name]
        try:
            outcome = self.press(request, name, row)
        except DomainError as refusal:
            messages.error(request, f"{row}: {refusal.msg}")
            return
        messages.success(request, f"{row}: {label}完成" + (f", {outcome}" if outcome else ""))
        self.log_change(request, row, label)


def _field_name(name: str) -> str:
    return f"step_{name}"


def _as_unfold(name: str, label: str) -> UnfoldAction:
    def method() -> None: ...

    method.attrs = {}  # type: ignore[attr-defined]
    return UnfoldAction(action_name=_field_name(name), method=method, description=label, path=name, attrs=None)


def _bulk(name: str) -> Callable[[ButtonsAdmin, HttpRequest, QuerySet], None]:
    def run(model_admin: ButtonsAdmin, request: HttpRequest, rows: QuerySet) -> None:
        for row in rows:
            model_admin.press_and_tell(request, name, row)

    return run
