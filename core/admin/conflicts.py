"""Merge the form of one member of staff with what a colleague saved while the form was open.

The page carries, signed, the values it was made from. When the form is sent, the row is locked and each field is
compared with those values. A field that the sender left alone keeps the row's present value. Ticks are merged one by
one. Where both people changed a field, nothing is saved: the form comes back with both values and a choice.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from auditlog.models import LogEntry
from django import forms
from django.contrib import messages
from django.core import signing
from django.db import connection
from django.db.models import Model
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from core.api.request import present_request
from core.times import format_office_time

SEEN = "seen"  # the form's hidden field with the values the page was made from
KEEP = "keep-"  # a conflict's choice: "keep-city" is MINE or THEIRS
MINE, THEIRS, ASK = "mine", "theirs", ""  # whose value a field gets; ASK: the sender has to choose
ENTRIES_LOOKED_AT = 50
MAX_SHOWN_LENGTH = 600
_SALT = "core.admin.conflicts"
Texts = list[str]  # what a browser sends for a field


@dataclass
class TheirChange:
    """A field that a colleague changed after the page was made. ``choice`` is the sender's between the two values."""

    name: str
    label: str
    theirs: str | SafeString
    mine: str | SafeString
    choice: str
    author: str = ""
    at: datetime | None = None

    @property
    def by(self) -> str:
        return f"{self.author or '有人'} {format_office_time(self.at)}".strip()

    @property
    def keep_name(self) -> str:
        return KEEP + self.name


class MergingForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's has none at run time
    """First base of a form that changes a row. :class:`MergingAdmin` has locked the row and read the instance."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.open_changes: list[TheirChange] = []  # of fields that the sender changed as well, and has to choose
        self.kept_changes: list[TheirChange] = []  # of the others

    @property
    def seen_token(self) -> str:
        """Return the hidden field's text: the values that the page shows, and the conflicts it asks about."""
        if not self.instance.pk or not self.fields:
            return ""
        state = {"row": self._row, "values": {name: self._shown(name) for name in self._compared()}}
        state["open"] = [change.name for change in self.open_changes]
        return signing.dumps(state, salt=_SALT, compress=True)

    @property
    def _row(self) -> list[str]:
        return [self._meta.model._meta.label, str(self.instance.pk)]

    def _compared(self) -> list[str]:
        """Return the fields that a page may tell of; it holds no secret, not even in the signed text."""
        fields = self.fields.items()
        return [name for name, field in fields if not (field.disabled or isinstance(field.widget, forms.PasswordInput))]

    def _shown(self, name: str) -> Texts:
        """Return what a browser sends if the sender leaves the field alone."""
        field = self.fields[name]
        return _texts(field, self.get_initial_for_field(field, name))

    def _sent(self, name: str) -> Texts:
        field = self.fields[name]
        value = field.widget.value_from_datadict(self.data, self.files, self.add_prefix(name))
        return _texts(field, field.bound_data(value, self.get_initial_for_field(field, name)))

    def full_clean(self) -> None:
        kept = self._merge() if self.is_bound and self.instance.pk else []
        with _values_of_row([self.fields[name] for name in kept]):
            super().full_clean()
            if self.is_bound:
                # Django computes this once: asked later, it would name the fields that keep the row's value.
                self.changed_data  # noqa: B018
        for change in self.open_changes:
            if change.name not in self.errors:
                self.add_error(change.name, "同事也修改了这一项，请在上面选择")

    def _merge(self) -> list[str]:
        """Decide about each field; return those that keep the row's value."""
        state, kept = self._state_seen(), []
        for name in self._compared():
            before, now, mine = state["values"].get(name), self._shown(name), self._sent(name)
            is_merged = before is not None and _is_set(self.fields[name])
            if is_merged:
                mine = self._merge_ticks(name, before, now, mine)
            choice = self._choice(name) if name in state["open"] else MINE
            whose = _whose(before, now, mine, choice, is_merged=is_merged)
            if whose == THEIRS:
                kept.append(name)
            if whose == ASK:
                self.open_changes.append(self._their_change(name, before or [], now, mine))
            elif before not in (None, now):
                self.kept_changes.append(self._their_change(name, before, now, []))
        if changes := [*self.open_changes, *self.kept_changes]:
            self._name_authors(changes)  # now, before the audit trail records this save as the latest one
        return kept

    def _state_seen(self) -> dict[str, Any]:
        """Return what the page was made from. One that says nothing asks about every field that it would change."""
        try:
            state: dict[str, Any] = signing.loads(self.data.get(self.add_prefix(SEEN), ""), salt=_SALT)
        except signing.BadSignature:
            state = {"row": None}
        return state if state["row"] == self._row else {"values": {}, "open": []}

    def _merge_ticks(self, name: str, before: Texts, now: Texts, mine: Texts) -> Texts:
        """Apply the ticks that the sender added and removed to the row's present ones, and send these instead.

        Two people never conflict about one tick: it has two values only, so a change means the other one.
        """
        merged = [tick for tick in now if tick in mine or tick not in before]
        merged += [tick for tick in mine if tick not in before and tick not in now]
        data: Any = self.data.copy()  # type: ignore[attr-defined]  # a QueryDict
        data.setlist(self.add_prefix(name), merged)
        self.data = data
        return sorted(merged)

    def _choice(self, name: str) -> str:
        choice = self.data.get(self.add_prefix(KEEP + name))
        return choice if choice in {MINE, THEIRS} else ASK

    def _their_change(self, name: str, before: Texts, now: Texts, mine: Texts) -> TheirChange:
        field = self.fields[name]
        if _is_set(field):
            theirs, own = _ticks_in_words(field, before, now), _ticks_in_words(field, now, mine)
        else:
            theirs, own = _in_words(field, now), _in_words(field, mine)
        return TheirChange(name, str(field.label or name), theirs, own, self._choice(name))

    def _name_authors(self, changes: list[TheirChange]) -> None:
        """Fill in who made each of the colleagues' changes and when, as far as the audit trail knows."""
        # By `object_pk`, because an entry about ticks has no other key.
        entries = LogEntry.objects.get_for_model(type(self.instance)).filter(object_pk=str(self.instance.pk))
        recent = list(entries.select_related("actor").order_by("-timestamp", "-pk")[:ENTRIES_LOOKED_AT])
        for change in changes:
            columns = _columns_set(self, [change.name])
            if entry := next((entry for entry in recent if columns & (entry.changes or {}).keys()), None):
                change.author, change.at = _actor(entry), entry.timestamp


def _whose(before: Texts | None, now: Texts, mine: Texts, choice: str, *, is_merged: bool) -> str:
    """Say whose value a field gets: ``before`` is what the page was made from, None if that is not known.

    :param choice: the sender's, if the page has asked; else MINE.
    :param is_merged: ``mine`` holds the colleague's ticks already.
    """
    if mine in (before, now):
        return THEIRS  # the sender left it alone, or wrote the value that the row has already
    if before != now and not is_merged:
        return ASK
    return choice


@contextmanager
def _values_of_row(fields: Sequence[forms.Field]) -> Iterator[None]:
    """Let these fields of a form take their values from the row instead of from the request.

    Django does so with a disabled field. Afterwards they are open again: if the form comes back, it shows the row's
    values, and the sender may change them.
    """
    for field in fields:
        field.disabled = True
    yield
    for field in fields:
        field.disabled = False
        field.bound_data = lambda data, initial: initial  # type: ignore[method-assign]


def _columns_set(form: Any, names: Iterable[str]) -> set[str]:
    """Return the columns that these fields of a form set: those in the form's ``columns``, else the one of its name."""
    columns: dict[str, Sequence[str]] = getattr(form, "columns", {})
    return {column for name in names for column in columns.get(name, [name])}


def _is_set(field: Any) -> bool:
    return bool(getattr(getattr(field.widget, "widget", field.widget), "allow_multiple_selected", False))


def _texts(field: Any, value: Any) -> Texts:
    """Return what a browser sends for a field that shows ``value``; the order of ticks means nothing."""
    value, widget = field.prepare_value(value), getattr(field.widget, "widget", field.widget)
    if isinstance(widget, forms.CheckboxInput):
        return ["on"] if value else []
    if isinstance(widget, forms.MultiWidget):
        parts: Any = value if isinstance(value, list) else widget.decompress(value)
        return [str(inner.format_value(part) or "") for inner, part in zip(widget.widgets, parts, strict=True)]
    shown: Any = widget.format_value(value)
    if isinstance(shown, list):
        return sorted(dict.fromkeys(map(str, shown))) if _is_set(field) else shown
    # Browsers send line ends as CRLF, even where the row holds LF.
    return [str("" if shown is None else shown).replace("\r\n", "\n")]


# --- Values in words ---
def _in_words(field: Any, texts: Texts) -> str | SafeString:
    """Write the value of a field as the page shows it to a person; a field may do so itself, by ``in_words``."""
    if isinstance(field, forms.BooleanField):
        return "是" if texts else "否"
    labels = _choices(field)
    text = " ".join(labels.get(text, text) for text in texts).strip()
    if hasattr(field, "in_words"):
        return field.in_words(text)
    return (text if len(text) <= MAX_SHOWN_LENGTH else text[:MAX_SHOWN_LENGTH] + "…") or "（空）"


def _ticks_in_words(field: Any, before: Texts, now: Texts) -> str:
    labels = _choices(field)
    ticks = {"加上": [tick for tick in now if tick not in before], "去掉": [tick for tick in before if tick not in now]}
    return "；".join(
        f"{verb} {'、'.join(labels.get(one, one) for one in some)}" for verb, some in ticks.items() if some
    )


def _choices(field: Any) -> dict[str, str]:
    labels: dict[str, str] = {}
    for value, label in getattr(field, "choices", None) or getattr(field.widget, "choices", []):
        if isinstance(label, (list, tuple)):
            labels |= {str(inner): f"{value}：{name}" for inner, name in label}
        else:
            labels[str(value)] = str(label)
    return labels


class MergingAdmin(ModelAdmin):
    """A page whose form changes a row."""

    def is_gone(self, row: Any) -> bool:
        """Tell whether the row counts as deleted although it is there."""
        return False

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        row = super().get_object(request, object_id, from_field)
        if row is None or request.method != "POST" or not connection.in_atomic_block:
            return row
        # Lock the row, then read it again: of two forms sent at once, the second sees what the first has saved.
        lock_row(row)
        row = super().get_object(request, object_id, from_field)
        return None if row is None or self.is_gone(row) else row

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        form.request = request
        return type(form)(form.__name__, (MergingForm, form), {}) if obj and change else form

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            super().save_model(request, obj, form, change)
        elif form.changed_data:
            columns = _columns_set(form, form.changed_data)
            obj.save(
                update_fields=[
                    field.name
                    for field in obj._meta.concrete_fields
                    if field.name in columns or getattr(field, "auto_now", False)
                ]
            )

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if getattr(form, "kept_changes", None):
            changes = "；".join(f"{change.label}（{change.by}）" for change in form.kept_changes)
            messages.info(request, f"你打开此页之后，同事修改了：{changes}。这些修改都保留了")


def lock_row(row: Model) -> None:
    """Lock the row until the transaction ends."""
    rows = type(row)._base_manager.select_for_update(no_key=True).filter(pk=row.pk)
    rows.values_list("pk", flat=True).first()


def _actor(entry: LogEntry) -> str:
    if entry.actor_id is None:
        return "系统"
    request = present_request()
    is_own = request is not None and entry.actor_id == request.user.pk
    return "你自己（另一个页面）" if is_own else str(entry.actor.label)
