"""Back-office pages on which nothing can be typed in: what may be done with a row is buttons.

A button calls the same service as the API does, for one row on its page or for rows chosen in the list.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import label_for_field, lookup_field
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from unfold.dataclasses import UnfoldAction

from core.admin.base import OfficeAdmin
from core.admin.paginator import BoundedPaginator
from core.admin.password import require_password
from core.admin.tables import table
from core.errors import DomainError

PRESS = "press"  # what a button inside a list is called; its value: "name:pk", or "name:" for the chosen rows
MOST_CHOSEN = 500
ENOUGH_S = 30  # then the rest has to wait: one step may ask the provider for 20 s, and a proxy gives up after 60
SURE = "sure"  # is sent by the page that asks before a button of ``asks`` does something


class ButtonsAdmin(OfficeAdmin):
    """Base of such a page: name the buttons in ``labels`` and say in ``press`` what each does."""

    labels: ClassVar[dict[str, str]] = {}
    # Buttons that ask before they act, what they then say, and the columns that show of which rows.
    asks: ClassVar[dict[str, str]] = {}
    asks_of: ClassVar[tuple[str, ...]] = ()
    asks_why: ClassVar[dict[str, str]] = {}  # those that take a reason with it, and what becomes of that
    asks_form: ClassVar[dict[str, type[forms.Form]]] = {}  # those that need more to be said; see ``answers``
    begins: ClassVar[frozenset[str]] = frozenset()  # those whose work only begins: 已提交, not 完成
    grave: ClassVar[frozenset[str]] = frozenset()  # of these, those that take something away
    need_password: ClassVar[frozenset[str]] = frozenset()  # those that ask for the password again: money goes out
    chosen = "(所选)"  # follows a label where it means the rows chosen in the list
    change_form_before_template = "backoffice/moving.html"
    list_before_template = "backoffice/moving.html"
    list_per_page = 30
    paginator = BoundedPaginator
    show_full_result_count = False

    def press(self, request: HttpRequest, name: str, row: Any) -> str:
        """Do what the button ``name`` says; answer what became of it, or "" when its label says it all.

        :raises DomainError: it was refused; the member of staff reads why.
        """
        raise KeyError(name)

    def is_moving(self, row: Any) -> bool:
        """Whether the row will soon change by itself: its page then shows itself anew."""
        return False

    def sum_of(self, rows: list[Any]) -> str:
        """How many rows, and how much money, a button that asks is about."""
        return f"{len(rows)} 条"

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
        names = self.labels.keys() - self.asks_form.keys()  # what a form says is true of one row
        return {name: bulk_action(name, label + self.chosen) for name, label in self.labels.items() if name in names}

    def get_actions_submit_line(self, request: HttpRequest, object_id: Any) -> list[UnfoldAction]:
        names = list(self.offered(request, object_id))
        # The first stands at the right, where "save" is elsewhere.
        return [_as_unfold(name, self.labels[name], name in self.grave) for name in names]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "POST" and PRESS in request.POST:
            if not self.has_view_permission(request):
                raise PermissionDenied
            name, _, pk = request.POST[PRESS].partition(":")
            pks = [pk] if pk else request.POST.getlist(ACTION_CHECKBOX_NAME)
            answer = self.press_in_list(request, name, self.rows_named(request, pks))
            return answer or HttpResponseRedirect(request.get_full_path())
        answer = super().changelist_view(request, extra_context)
        shown = getattr(answer, "context_data", {}).get("cl")
        if shown:
            answer.context_data["is_moving"] = any(self.is_moving(row) for row in shown.result_list)
        return answer

    def rows_named(self, request: HttpRequest, pks: Iterable[str]) -> QuerySet[Any]:
        """The rows of these keys, whatever the list is filtered by: one that somebody else just dealt with, too."""
        known = [int(pk) for pk in pks if pk.isdecimal() and len(pk) < 19]
        return self.get_queryset(request).filter(pk__in=known).order_by(*self.get_ordering(request))

    def press_in_list(self, request: HttpRequest, name: str, rows: QuerySet[Any]) -> HttpResponse | None:
        """Press a button for rows of the list."""
        if name not in self.labels or not self.has_change_permission(request):
            raise PermissionDenied
        if name in self.need_password:
            require_password(request)
        chosen = list(rows[: MOST_CHOSEN + 1])
        if not chosen:
            messages.warning(request, "没有选中任何记录")
        elif len(chosen) > MOST_CHOSEN:
            messages.error(request, f"一次最多处理 {MOST_CHOSEN} 条,请分批进行")
        elif name in self.asks_form and len(chosen) > 1:
            messages.error(request, "请逐条办理")
        elif self._must_ask(request, name):
            return self.ask(request, name, chosen)
        else:
            self.press_and_tell(request, name, *chosen)
        return None

    def _must_ask(self, request: HttpRequest, name: str) -> bool:
        if name not in self.asks:
            return False
        return SURE not in request.POST or (name in self.asks_form and not self._form(request, name).is_valid())

    def _form(self, request: HttpRequest, name: str) -> forms.Form:
        return self.asks_form[name](request.POST if SURE in request.POST else None)

    def answers(self, request: HttpRequest, name: str) -> dict[str, Any]:
        """What was said in the form of a button of ``asks_form``, for ``press``: it is valid by then."""
        form = self._form(request, name)
        form.full_clean()
        return form.cleaned_data

    def ask(self, request: HttpRequest, name: str, rows: list[Any]) -> HttpResponse:
        """Show what the button is about to do; confirmed, the same comes again, for these rows and no others."""
        form = self._form(request, name) if name in self.asks_form else None
        own = {"csrfmiddlewaretoken", "select_across", "reason", SURE, ACTION_CHECKBOX_NAME}
        kept = request.POST.keys() - own - (form.fields.keys() if form else set())
        posted = [(key, value) for key in sorted(kept) for value in request.POST.getlist(key)]
        context = self.admin_site.each_context(request) | {
            "opts": self.opts,
            "title": self.labels[name],
            "is_grave": name in self.grave,
            "text": self.asks[name],
            "sum": self.sum_of(rows),
            "rows": table(
                [str(label_for_field(column, self.model, self)) for column in self.asks_of],
                [[lookup_field(column, row, self)[2] for column in self.asks_of] for row in rows],
            ),
            "why": self.asks_why.get(name),
            "form": form,
            "posted": [*posted, *((ACTION_CHECKBOX_NAME, row.pk) for row in rows), (SURE, 1)],
        }
        return render(request, "backoffice/sure.html", context)

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
        answer = super().changeform_view(request, object_id, form_url, no_save | (extra_context or {}))
        row = getattr(answer, "context_data", {}).get("original")
        if row:
            answer.context_data["is_moving"] = self.is_moving(row)
        return answer

    def _press_posted(self, request: HttpRequest, object_id: str) -> HttpResponse:
        # Not Django's own saving: that would hold a transaction while the provider is asked.
        row = self.get_object(request, object_id)
        if row is None or not self.has_change_permission(request, row):
            raise PermissionDenied
        for name in self.labels:
            if _field_name(name) in request.POST:
                if name in self.need_password:
                    require_password(request)
                if self._must_ask(request, name):
                    return self.ask(request, name, [row])
                self.press_and_tell(request, name, row)
        return HttpResponseRedirect(request.path)

    def press_and_tell(self, request: HttpRequest, name: str, *rows: Model) -> None:
        """Press a button for each row; rows with the same outcome are told of together."""
        label = self.labels[name]
        told: dict[tuple[int, str], list[str]] = defaultdict(list)
        ends_at = time.monotonic() + ENOUGH_S
        for at, row in enumerate(rows):
            if at and time.monotonic() > ends_at:
                told[messages.WARNING, f"时间不够,还没有{label},请再选一次"] = [str(row) for row in rows[at:]]
                break
            try:
                outcome = self.press(request, name, row)
            except DomainError as refusal:
                told[messages.ERROR, refusal.msg].append(str(row))
                continue
            told[messages.SUCCESS, self._done(name) + (f", {outcome}" if outcome else "")].append(str(row))
            self.log_change(request, row, label)
        for (level, text), names in told.items():
            count = f"({len(names)} 条)" if len(names) > 1 else ""
            messages.add_message(request, level, f"{'、'.join(names)}: {text}{count}")

    def _done(self, name: str) -> str:
        label = self.labels[name]
        if label.startswith("已"):
            return label
        return f"{label}{'已提交' if name in self.begins else '完成'}"


def _field_name(name: str) -> str:
    return f"step_{name}"


def _as_unfold(name: str, label: str, is_grave: bool) -> UnfoldAction:
    def method() -> None: ...

    method.attrs = {}  # type: ignore[attr-defined]
    look = {"data-grave": is_grave}
    return UnfoldAction(action_name=_field_name(name), method=method, description=label, path=name, attrs=look)


def bulk_action(name: str, description: str) -> tuple[Callable[..., HttpResponse | None], str, str]:
    """A button as Django's list of actions wants it."""

    def run(model_admin: ButtonsAdmin, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        if request.POST.get("select_across") != "1":
            rows = model_admin.rows_named(request, request.POST.getlist(ACTION_CHECKBOX_NAME))
        return model_admin.press_in_list(request, name, rows)

    return run, name, description
