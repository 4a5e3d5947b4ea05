"""Back-office pages without input fields: a member of staff changes a row by pressing a button.

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
from django.utils.safestring import SafeString
from unfold.dataclasses import UnfoldAction

from core.admin.base import FixedRows, OfficeAdmin
from core.admin.password import require_password
from core.admin.tables import table
from core.errors import DomainError

PRESS = "press"  # form field of a button inside a list; its value is "name:pk", or "name:" for the chosen rows
MOST_CHOSEN = 500
MOST_NAMED = 5
STOP_AFTER_S = 30  # one row may wait 20 s for the provider, and nginx gives up after 60 s
SURE = "sure"  # form field that the confirmation page sends: without it a button of ``asks`` only shows that page


class ButtonsAdmin(FixedRows, OfficeAdmin):
    """Base of such a page: name the buttons in ``labels`` and say in ``press`` what each does."""

    labels: ClassVar[dict[str, str]] = {}  # each button's name and its text
    needs: ClassVar[dict[str, str]] = {}  # the right (``rights``) that a button needs, where it is not "change"
    asks: ClassVar[dict[str, str]] = {}  # buttons with a confirmation page, and the question on that page
    asks_of: ClassVar[tuple[str, ...]] = ()  # columns that the confirmation page shows of each row
    asks_why: ClassVar[dict[str, str]] = {}  # buttons that ask for a reason; the value says where it is recorded
    asks_form: ClassVar[
        dict[str, type[forms.Form]]
    ] = {}  # buttons that ask for more than a reason, for one row at a time
    needs_why: ClassVar[frozenset[str]] = frozenset()  # buttons of ``asks_why`` that do nothing without a reason
    begins: ClassVar[frozenset[str]] = frozenset()  # buttons that only start the work: the page says 已提交, not 完成
    grave: ClassVar[frozenset[str]] = frozenset()  # buttons that take something away; shown in red
    quiet: ClassVar[frozenset[str]] = frozenset()  # buttons that are never the usual next step; not shown in blue
    need_password: ClassVar[frozenset[str]] = frozenset()  # buttons that pay money out: they ask for the password
    chosen = "（所选）"  # added to a button's text when it acts on the rows chosen in the list
    change_form_before_template = "backoffice/moving.html"
    list_before_template = "backoffice/moving.html"
    list_per_page = 30

    def press(self, request: HttpRequest, name: str, row: Any) -> str:
        """Do what the button ``name`` says. Return the outcome in words, or "" when the button's text says enough.

        :raises DomainError: the service refused; the page shows the error's ``msg``.
        """
        raise KeyError(name)

    def is_moving(self, row: Any) -> bool:
        """Tell whether the row will soon change by itself: the browser then reloads its page."""
        return False

    def sum_of(self, rows: list[Any]) -> str:
        """Return the total for the confirmation page: how many rows and, for money, how much."""
        return f"{len(rows)} 条"

    def offered(self, request: HttpRequest, object_id: Any) -> Iterable[str]:
        """Return the names of the buttons that the row's state allows; its page shows those that the user may press."""
        return self.labels

    def may_press(self, request: HttpRequest, name: str) -> bool:
        """Tell whether the page has this button and the user the right that it needs."""
        return name in self.labels and self.has_right(request, self.needs.get(name, "change"))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        names = self.labels.keys() - self.asks_form.keys()  # a form is filled in for one row
        return {
            name: bulk_action(name, label + self.chosen)
            for name, label in self.labels.items()
            if name in names and self.may_press(request, name)
        }

    def get_actions_submit_line(self, request: HttpRequest, object_id: Any) -> list[UnfoldAction]:
        names = [name for name in self.offered(request, object_id) if self.may_press(request, name)]
        # Unfold shows the first one at the right, where other pages have "save".
        return [_as_unfold(name, self.labels[name], self._look(name)) for name in names]

    def _look(self, name: str) -> dict[str, bool]:
        return {"data-grave": name in self.grave, "data-quiet": name in self.quiet}

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "POST" and PRESS in request.POST:
            if not self.has_view_permission(request):
                raise PermissionDenied
            name, _, pk = request.POST[PRESS].partition(":")
            pks = [pk] if pk else request.POST.getlist(ACTION_CHECKBOX_NAME)
            page = self.press_in_list(request, name, self.rows_named(request, pks))
            return page or HttpResponseRedirect(request.get_full_path())
        response = super().changelist_view(request, extra_context)
        shown = getattr(response, "context_data", {}).get("cl")
        if shown:
            response.context_data["is_moving"] = any(self.is_moving(row) for row in shown.result_list)
        return response

    def rows_named(self, request: HttpRequest, pks: Iterable[str]) -> QuerySet[Any]:
        """Return the rows with these keys.

        The list's filter does not count: a row that a colleague has just dealt with has left the list, and the person
        who chose it must read why nothing was done.
        """
        known = [int(pk) for pk in pks if pk.isdecimal() and len(pk) < 19]
        return self.get_queryset(request).filter(pk__in=known).order_by(*self.get_ordering(request))

    def press_in_list(self, request: HttpRequest, name: str, rows: QuerySet[Any]) -> HttpResponse | None:
        """Press a button for rows of the list. Return the confirmation page where the button asks, else None."""
        if not self.may_press(request, name):
            raise PermissionDenied
        if name in self.need_password:
            require_password(request)
        chosen = list(rows[: MOST_CHOSEN + 1])
        if not chosen:
            messages.warning(request, "没有选中任何记录")
        elif len(chosen) > MOST_CHOSEN:
            messages.error(request, f"一次最多处理 {MOST_CHOSEN} 条，请分批进行")
        elif name in self.asks_form and len(chosen) > 1:
            messages.error(request, "请逐条办理")
        else:
            return self._ask_or_press(request, name, chosen)
        return None

    def _ask_or_press(self, request: HttpRequest, name: str, rows: list[Any]) -> HttpResponse | None:
        """Press a button, or return its confirmation page.

        If the service refuses the step for one row, and the row still offers it, the confirmation page is shown again
        with what was typed.
        """
        if self._must_ask(request, name, rows):
            return self.ask(request, name, rows)
        all_done = self.press_and_tell(request, name, *rows)
        if all_done or len(rows) > 1 or SURE not in request.POST:
            return None
        has_fields = name in self.asks_why or self.form_of(request, name, rows) is not None
        return self.ask(request, name, rows) if has_fields and name in self.offered(request, rows[0].pk) else None

    def _must_ask(self, request: HttpRequest, name: str, rows: list[Any]) -> bool:
        if name not in self.asks:
            return False
        form = self.form_of(request, name, rows) if SURE in request.POST else None
        return SURE not in request.POST or (form is not None and not form.is_valid())

    def form_of(self, request: HttpRequest, name: str, rows: list[Any]) -> forms.Form | None:
        """Return the form on the button's confirmation page, filled in once the page was sent; None: it has no form."""
        form = self.asks_form.get(name)
        return form(request.POST if SURE in request.POST else None) if form else None

    def answers(self, request: HttpRequest, name: str, row: Any) -> dict[str, Any]:
        """Return the values of the button's form. ``press`` calls this; the form is valid by then."""
        form = self.form_of(request, name, [row])
        if form is None:
            return {}
        form.full_clean()
        return form.cleaned_data

    def question(self, name: str, rows: list[Any]) -> str:
        """Return the text of the confirmation page."""
        return self.asks[name]

    def asked_table(self, name: str, rows: list[Any], form: forms.Form | None) -> SafeString:
        """Return the table of ``rows`` on the confirmation page."""
        titles = [str(label_for_field(column, self.model, self)) for column in self.asks_of]
        return table(titles, [[lookup_field(column, row, self)[2] for column in self.asks_of] for row in rows])

    def ask(self, request: HttpRequest, name: str, rows: list[Any]) -> HttpResponse:
        """Show the confirmation page. Confirming sends the same request again, with the keys of exactly these rows.

        A form may name in ``in_table`` the fields that ``asked_table`` shows, and in ``first`` those above it.
        """
        form = self.form_of(request, name, rows)
        own = {"csrfmiddlewaretoken", "select_across", "reason", SURE, ACTION_CHECKBOX_NAME}
        kept = request.POST.keys() - own - (form.fields.keys() if form else set())
        posted = [(key, value) for key in sorted(kept) for value in request.POST.getlist(key)]
        placed = {*getattr(form, "in_table", ()), *getattr(form, "first", ())}
        context = self.admin_site.each_context(request) | {
            "opts": self.opts,
            "title": self.labels[name],
            "is_grave": name in self.grave,
            "text": self.question(name, rows),
            "sum": self.sum_of(rows),
            "rows": self.asked_table(name, rows, form),
            "why": self.asks_why.get(name),
            "must_say_why": name in self.needs_why,
            "reason": request.POST.get("reason", ""),
            "first": [field for field in form or () if field.name in getattr(form, "first", ())],
            "fields": [field for field in form or () if field.name not in placed],
            "media": getattr(form, "media", ""),
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
        response = super().changeform_view(request, object_id, form_url, no_save | (extra_context or {}))
        row = getattr(response, "context_data", {}).get("original")
        if row:
            response.context_data["is_moving"] = self.is_moving(row)
        return response

    def _press_posted(self, request: HttpRequest, object_id: str) -> HttpResponse:
        # Django's own saving would keep a transaction open while the provider is asked.
        row = self.get_object(request, object_id)
        if row is None or not any(self.may_press(request, name) for name in self.labels):
            raise PermissionDenied
        for name in self.labels:
            if _field_name(name) in request.POST:
                if not self.may_press(request, name):
                    raise PermissionDenied
                if name in self.need_password:
                    require_password(request)
                if page := self._ask_or_press(request, name, [row]):
                    return page
        return HttpResponseRedirect(request.path)

    def press_and_tell(self, request: HttpRequest, name: str, *rows: Model) -> bool:
        """Press a button for each row, and show one message for all rows with the same outcome.

        :return: every row was dealt with, none refused or left for want of time.
        """
        label = self.labels[name]
        outcomes: dict[tuple[int, str], list[str]] = defaultdict(list)  # the rows' names by level and text
        ends_at = time.monotonic() + STOP_AFTER_S
        for at, row in enumerate(rows):
            if at and time.monotonic() > ends_at:
                outcomes[messages.WARNING, f"时间不够，还没有{label}，请再选一次"] = [str(row) for row in rows[at:]]
                break
            try:
                outcome = self.press(request, name, row)
            except DomainError as refusal:
                outcomes[messages.ERROR, refusal.msg].append(str(row))
                continue
            outcomes[messages.SUCCESS, self._done(name) + (f"，{outcome}" if outcome else "")].append(str(row))
            self.log_change(request, row, label)
        for (level, text), names in outcomes.items():
            count = f"（{len(names)} 条）" if len(names) > 1 else ""
            # Nobody reads a hundred names of rows that went well; each row that was refused must be named.
            named = f"{names[0]} 等" if level == messages.SUCCESS and len(names) > MOST_NAMED else "、".join(names)
            messages.add_message(request, level, f"{named}：{text}{count}")
        return all(level == messages.SUCCESS for level, _ in outcomes)

    def _done(self, name: str) -> str:
        label = self.labels[name]
        if label.startswith("已"):
            return label
        return f"{label}{'已提交' if name in self.begins else '完成'}"


def _field_name(name: str) -> str:
    return f"step_{name}"


def _as_unfold(name: str, label: str, look: dict[str, bool]) -> UnfoldAction:
    def method() -> None: ...

    method.attrs = {}  # type: ignore[attr-defined]
    return UnfoldAction(action_name=_field_name(name), method=method, description=label, path=name, attrs=look)


def bulk_action(name: str, description: str) -> tuple[Callable[..., HttpResponse | None], str, str]:
    """Describe a button in the form of Django's ``get_actions``: the function, its name, its text."""

    def run(model_admin: ButtonsAdmin, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        if request.POST.get("select_across") != "1":
            rows = model_admin.rows_named(request, request.POST.getlist(ACTION_CHECKBOX_NAME))
        return model_admin.press_in_list(request, name, rows)

    return run, name, description
