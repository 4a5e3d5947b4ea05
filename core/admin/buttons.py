"""Base of pages whose rows change by buttons instead of a form.

A button calls the same service as the API does, for one row on its page or for rows chosen in the list.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import label_for_field, lookup_field
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from core import times
from core.admin.base import FixedRows, OfficeAdmin, page_shown
from core.admin.password import require_password
from core.admin.tables import table
from core.audit import Actor
from core.errors import DomainError
from core.ids import pks_of

PRESS = "press"  # form field of a button inside a list; its value is "name:pk,pk", or "name:" for the chosen rows
MAX_CHOSEN = 500
MAX_NAMED = 5
MAX_REASON = 200
STOP_AFTER_S = 30  # the row that is begun last may take long, and nginx gives up after 60 s
SURE = "sure"  # form field that the confirmation page sends: without it a button with a question only shows that page


class Look(Enum):
    USUAL = "usual"  # blue when it is the first of the page
    QUIET = "quiet"  # never the usual next step: never blue
    GRAVE = "grave"  # takes something away: red
    ABSENT = "absent"  # not in the row of buttons, because the page has a form of its own for it


class ButtonForm(forms.Form):
    """What the confirmation page of a button asks."""

    in_table: Iterable[str] = ()  # fields that ``table`` shows

    def __init__(self, data: Any, *, button: "Button", rows: list[Any], request: HttpRequest) -> None:
        super().__init__(data)
        self.rows, self.request = rows, request
        self.build()
        if button.reason:
            self.fields["reason"] = forms.CharField(
                label="说明或理由",
                help_text=button.reason,
                max_length=MAX_REASON,
                required=button.needs_reason,
                error_messages={"required": "请写明理由"},
            )

    def build(self) -> None:
        """Add the fields that depend on the rows. Called once, when the form is made."""

    def values(self, row: Any) -> dict[str, Any]:
        """Return what was typed for one of the rows; nothing if the button asks nothing."""
        return getattr(self, "cleaned_data", {})

    def cell(self, name: str) -> SafeString:
        """Return a field with its errors, for a table."""
        wrong = format_html_join("", '<p class="bo-wrong">{}</p>', ((error,) for error in self[name].errors))
        return format_html("{}{}", self[name], wrong)

    def table(self, titles: list[str], cells: list[list[Any]]) -> SafeString:
        """Return the table of the rows on the confirmation page."""
        return table(titles, cells)


@dataclass(frozen=True)
class Press:
    """A button pressed for one row. ``values`` are those of its form, with ``reason`` where it asks for one."""

    row: Any
    user: Any
    now: datetime
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def actor(self) -> str:
        return Actor.of(self.user)


@dataclass(frozen=True)
class Button:
    """A button of a page.

    :param run: called for each row, outside a transaction. Its words follow the button's text in the message to the
        user. It raises DomainError when the service refuses: the page then shows the error's ``msg``.
    :param right: the verb of ``rights`` that it needs, and ``right_too`` a second one.
    :param question: the text of its confirmation page; "": it acts at once.
    :param reason: where the reason that the page asks for is recorded; "": it asks for none.
    :param max_rows: how many rows it takes at once; a button that takes one is not offered for chosen rows.
    :param password: it pays money out, so the password is asked again.
    :param undo: the name of the button that takes it back: the message that says it is done offers it.
    :param is_request: it only starts the work: the message says 已提交, not 完成.
    """

    name: str
    text: str
    run: Callable[[Press], str]
    right: str = "change"
    right_too: str = ""
    question: str = ""
    reason: str = ""
    needs_reason: bool = False
    form: type[ButtonForm] = ButtonForm
    max_rows: int = MAX_CHOSEN
    look: Look = Look.USUAL
    password: bool = False
    is_request: bool = False
    undo: str = ""

    @property
    def field_name(self) -> str:
        return f"step_{self.name}"

    @property
    def attrs(self) -> dict[str, bool]:
        return {"data-grave": self.look is Look.GRAVE, "data-quiet": self.look is Look.QUIET}

    @property
    def done(self) -> str:
        if self.text.startswith("已"):
            return self.text
        return f"{self.text}{'已提交' if self.is_request else '完成'}"


class ButtonsAdmin(FixedRows, OfficeAdmin):
    """Base of such a page: it lists its buttons, the usual one first."""

    buttons: ClassVar[Sequence[Button]] = ()
    asked_columns: ClassVar[Sequence[str]] = ()  # columns that the confirmation page shows of each row
    bulk_suffix = "（所选）"  # added to a button's text when it acts on the rows chosen in the list
    change_form_before_template = "backoffice/moving.html"
    list_per_page = 30

    def press(self, request: HttpRequest, button: Button, row: Any, values: dict[str, Any]) -> str:
        """Do what the button says. Return the outcome in words, or "" when the button's text says enough.

        :raises DomainError: the service refused; the page shows the error's ``msg``.
        """
        return button.run(Press(row, request.user, times.now(), values))

    def is_moving(self, row: Any) -> bool:
        """Tell whether the row will soon change by itself: its page then looks for news, and shows it in place."""
        return False

    def sum_of(self, rows: list[Any]) -> str:
        """Return the total for the confirmation page: how many rows and, for money, how much."""
        return f"{len(rows)} 条"

    def offered(self, row: Any) -> Iterable[str]:
        """Return the names of the buttons that the row's state allows."""
        return [button.name for button in self.buttons]

    def page_facts(self, row: Any) -> dict[str, Any]:
        """Return what the template of a row's page shows, with ``offered``: the names of :meth:`offered`."""
        return {"offered": self.offered(row)}

    def allowed(self, request: HttpRequest) -> dict[str, Button]:
        """Return the buttons that the user has the rights for, by name."""
        rights = {right for right in self.rights if self.has_right(request, right)}
        return {one.name: one for one in self.buttons if {one.right, one.right_too or one.right} <= rights}

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        many = [button for button in self.allowed(request).values() if button.max_rows > 1]
        return {button.name: bulk_action(button.name, button.text + self.bulk_suffix) for button in many}

    def _offered_now(self, request: HttpRequest, pk: Any) -> Iterable[str]:
        row = self.get_object(request, str(pk))
        return () if row is None else self.offered(row)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "POST" and PRESS in request.POST:
            if not self.has_view_permission(request):
                raise PermissionDenied
            name, _, pk = request.POST[PRESS].partition(":")
            pks = pk.split(",") if pk else request.POST.getlist(ACTION_CHECKBOX_NAME)
            page = self.press_in_list(request, name, self.rows_named(request, pks))
            return page or HttpResponseRedirect(request.get_full_path())
        response = super().changelist_view(request, extra_context)
        changelist = getattr(response, "context_data", {}).get("cl")
        if changelist:
            response.context_data["is_moving"] = any(self.is_moving(row) for row in changelist.result_list)
        return response

    def rows_named(self, request: HttpRequest, pks: Iterable[str]) -> QuerySet[Any]:
        """Return the rows with these keys.

        The list's filter does not count: a row that a colleague has just dealt with has left the list, and the person
        who chose it must read why nothing was done.
        """
        return self.get_queryset(request).filter(pk__in=pks_of(pks)).order_by(*self.get_ordering(request))

    def press_in_list(self, request: HttpRequest, name: str, rows: QuerySet[Any]) -> HttpResponse | None:
        """Press a button for rows of the list. Return the confirmation page where the button asks, else None."""
        button = self._button_for(request, name)
        selection = list(rows[: button.max_rows + 1])
        if selection and len(selection) <= button.max_rows:
            return self._ask_or_press(request, button, selection)
        if not selection:
            messages.warning(request, "没有选中任何记录")
        elif button.max_rows == 1:
            messages.error(request, "请逐条办理")
        else:
            messages.error(request, f"一次最多{button.text} {button.max_rows} 条，请分批进行")
        return None

    def _button_for(self, request: HttpRequest, name: str) -> Button:
        """Return a button that the user presses.

        :raises PermissionDenied: the page has no such button, or the user not its rights.
        :raises PasswordNeeded: the button asks for the password, and it was not given lately.
        """
        button = self.allowed(request).get(name)
        if button is None:
            raise PermissionDenied
        if button.password:
            require_password(request)
        return button

    def _ask_or_press(self, request: HttpRequest, button: Button, rows: list[Any]) -> HttpResponse | None:
        """Press a button, or return its confirmation page.

        If the service refuses the step for one row, and the row still offers it, the confirmation page is shown again
        with what was typed.
        """
        is_sure = SURE in request.POST
        form = button.form(request.POST if is_sure else None, button=button, rows=rows, request=request)
        if button.question and not form.is_valid():
            return self.ask(request, button, rows, form)
        all_done = self.press_and_tell(request, button, rows, form)
        if all_done or len(rows) > 1 or not is_sure or not form.fields:
            return None
        is_offered = button.name in self._offered_now(request, rows[0].pk)
        return self.ask(request, button, rows, form) if is_offered else None

    def question(self, button: Button, rows: list[Any]) -> str:
        """Return the text of the confirmation page."""
        return button.question

    def columns_asked(self, rows: list[Any], form: ButtonForm) -> Sequence[str]:
        """Return the columns of the table on the confirmation page."""
        return self.asked_columns

    def ask(self, request: HttpRequest, button: Button, rows: list[Any], form: ButtonForm) -> HttpResponse:
        """Show the confirmation page. Confirming sends the same request again, with the keys of exactly these rows."""
        own = {"csrfmiddlewaretoken", "select_across", SURE, ACTION_CHECKBOX_NAME}
        others = request.POST.keys() - own - form.fields.keys()
        fields = [(key, value) for key in sorted(others) for value in request.POST.getlist(key)]
        columns = self.columns_asked(rows, form)
        titles = [str(label_for_field(column, self.model, self)) for column in columns]
        cells = [[lookup_field(column, row, self)[2] for column in columns] for row in rows]
        context = {
            "is_grave": button.look is Look.GRAVE,
            "text": self.question(button, rows),
            "sum": self.sum_of(rows),
            "rows": form.table(titles, cells),
            "form": form,
            "fields": [field for field in form if field.name not in form.in_table],
            "posted": [*fields, *((ACTION_CHECKBOX_NAME, row.pk) for row in rows), (SURE, 1)],
        }
        return page_shown(self, request, "backoffice/sure.html", button.text, **context)

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, *args: Any, **options: Any) -> Any:
        if request.method == "POST" and object_id:
            return self._press_posted(request, object_id)
        return super().changeform_view(request, object_id, *args, **options)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **options: Any) -> Any:
        context |= dict.fromkeys(("show_save", "show_save_and_continue", "show_save_and_add_another"), False)
        row, allowed = context["original"], self.allowed(request)
        context |= {"allowed": allowed, "is_moving": self.is_moving(row)} | self.page_facts(row)
        offers = [allowed[name] for name in context["offered"] if name in allowed]
        context["buttons"] = [button for button in offers if button.look is not Look.ABSENT]
        return super().render_change_form(request, context, *args, **options)

    def _press_posted(self, request: HttpRequest, object_id: str) -> HttpResponse:
        # Django's own saving would keep a transaction open while the provider is asked.
        row = self.get_object(request, object_id)
        if row is None or not self.allowed(request):
            raise PermissionDenied
        for button in self.buttons:
            if button.field_name in request.POST:
                page = self._ask_or_press(request, self._button_for(request, button.name), [row])
                return page or HttpResponseRedirect(request.path)
        return HttpResponseRedirect(request.path)

    def press_and_tell(self, request: HttpRequest, button: Button, rows: list[Any], form: ButtonForm) -> bool:
        """Press a button for each row, and show one message for all rows with the same outcome.

        :return: every row was dealt with, none refused or left for want of time.
        """
        outcomes: dict[tuple[int, str], list[Any]] = defaultdict(list)  # the rows by level and text
        reason = {"reason": form.cleaned_data["reason"]} if button.reason else {}
        ends_at = time.monotonic() + STOP_AFTER_S
        for at, row in enumerate(rows):
            if at and time.monotonic() > ends_at:
                late = f"时间不够，还没有{button.text}，请再选一次"
                outcomes[messages.WARNING, late] = rows[at:]
                break
            try:
                outcome = self.press(request, button, row, form.values(row) | reason)
            except DomainError as refusal:
                outcomes[messages.ERROR, refusal.msg].append(row)
                continue
            outcomes[messages.SUCCESS, button.done + (f"，{outcome}" if outcome else "")].append(row)
            self.log_change(request, row, button.text)
        undo = self.allowed(request).get(button.undo)
        for (level, text), pressed in outcomes.items():
            names = [str(row) for row in pressed]
            count = f"（{len(names)} 条）" if len(names) > 1 else ""
            # A hundred names of rows that went well say too much; each row that was refused must be named.
            label = f"{names[0]} 等" if level == messages.SUCCESS and len(names) > MAX_NAMED else "、".join(names)
            can_undo = undo and level == messages.SUCCESS and len(pressed) <= undo.max_rows
            # The template of the message makes a button of it.
            step = f"{button.undo}:{','.join(str(row.pk) for row in pressed)}" if can_undo else ""
            messages.add_message(request, level, f"{label}：{text}{count}", extra_tags=step)
        return all(level == messages.SUCCESS for level, _ in outcomes)


def bulk_action(name: str, description: str) -> tuple[Callable[..., HttpResponse | None], str, str]:
    """Describe a button in the form of Django's ``get_actions``: the function, its name, its text."""

    def run(model_admin: ButtonsAdmin, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        if request.POST.get("select_across") != "1":
            rows = model_admin.rows_named(request, request.POST.getlist(ACTION_CHECKBOX_NAME))
        return model_admin.press_in_list(request, name, rows)

    return run, name, description
