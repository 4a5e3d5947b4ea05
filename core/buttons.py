"""Back-office pages on which nothing can be typed in: what may be done with a row is buttons.

A button calls the same service as the API does, for one row on its page or for rows chosen in the list.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.admin import ModelAdmin
from unfold.dataclasses import UnfoldAction

from core.errors import DomainError
from core.paginator import BoundedPaginator

PRESS = "press"  # what a button inside a list is called; its value: "name:pk", or "name:" for the chosen rows
MOST_CHOSEN = 500


class ButtonsAdmin(ModelAdmin):
    """Base of such a page: name the buttons in ``labels`` and say in ``press`` what each does."""

    labels: ClassVar[dict[str, str]] = {}
    chosen = "(所选)"  # follows a label where it means the rows chosen in the list
    list_per_page = 30
    paginator = BoundedPaginator
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
        return {name: bulk_action(name, label + self.chosen) for name, label in self.labels.items()}

    def get_actions_submit_line(self, request: HttpRequest, object_id: Any) -> list[UnfoldAction]:
        return [_as_unfold(name, self.labels[name]) for name in self.offered(request, object_id)]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "POST" and PRESS in request.POST:
            if not self.has_view_permission(request):
                raise PermissionDenied
            name, _, pk = request.POST[PRESS].partition(":")
            pks = [pk] if pk else request.POST.getlist(ACTION_CHECKBOX_NAME)
            answer = self.press_in_list(request, name, self.rows_named(request, pks))
            return answer or HttpResponseRedirect(request.get_full_path())
        return super().changelist_view(request, extra_context)

    def rows_named(self, request: HttpRequest, pks: Iterable[str]) -> QuerySet:
        """The rows of these keys, whatever the list is filtered by: one that somebody else just dealt with, too."""
        known = [int(pk) for pk in pks if pk.isdecimal() and len(pk) < 19]
        return self.get_queryset(request).filter(pk__in=known).order_by(*self.get_ordering(request))

    def press_in_list(self, request: HttpRequest, name: str, rows: QuerySet) -> HttpResponse | None:
        """Press a button for rows of the list."""
        if name not in self.labels or not self.has_change_permission(request):
            raise PermissionDenied
        chosen = list(rows[: MOST_CHOSEN + 1])
        if not chosen:
            messages.warning(request, "没有选中任何记录")
        elif len(chosen) > MOST_CHOSEN:
            messages.error(request, f"一次最多处理 {MOST_CHOSEN} 条,请分批进行")
        else:
            self.press_and_tell(request, name, *chosen)
        return None

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

    def press_and_tell(self, request: HttpRequest, name: str, *rows: Model) -> None:
        """Press a button for each row; rows with the same outcome are told of together."""
        label = self.labels[name]
        told: dict[tuple[int, str], list[str]] = defaultdict(list)
        for row in rows:
            try:
                outcome = self.press(request, name, row)
            except DomainError as refusal:
                told[messages.ERROR, refusal.msg].append(str(row))
                continue
            told[messages.SUCCESS, f"{label}完成" + (f", {outcome}" if outcome else "")].append(str(row))
            self.log_change(request, row, label)
        for (level, text), names in told.items():
            count = f"({len(names)} 条)" if len(names) > 1 else ""
            messages.add_message(request, level, f"{'、'.join(names)}: {text}{count}")


def _field_name(name: str) -> str:
    return f"step_{name}"


def _as_unfold(name: str, label: str) -> UnfoldAction:
    def method() -> None: ...

    method.attrs = {}  # type: ignore[attr-defined]
    return UnfoldAction(action_name=_field_name(name), method=method, description=label, path=name, attrs=None)


def bulk_action(name: str, description: str) -> tuple[Callable[..., HttpResponse | None], str, str]:
    """A button as Django's list of actions wants it."""

    def run(model_admin: ButtonsAdmin, request: HttpRequest, rows: QuerySet) -> HttpResponse | None:
        if request.POST.get("select_across") != "1":
            rows = model_admin.rows_named(request, request.POST.getlist(ACTION_CHECKBOX_NAME))
        return model_admin.press_in_list(request, name, rows)

    return run, name, description
