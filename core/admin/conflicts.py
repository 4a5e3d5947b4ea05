"""Merge the form of one member of staff with what a colleague saved while the form was open.

The page carries, signed, the values it was made from. When the form is sent, the row is locked and each field is
compared with those values. A field that the sender left alone keeps the row's present value. Ticks are merged one by
one. Where both people changed a field, nothing is saved: the form comes back with both values and a choice.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from auditlog.models import LogEntry
from django import forms
from django.contrib import messages
from django.core import signing
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from core.api.request import present_request
from core.times import format_office_time

SEEN = "seen"  # the form's hidden field with the values the page was made from
KEEP = "keep-"  # a conflict's choice: "keep-city" is "mine" or "theirs"
ENTRIES_LOOKED_AT = 50
MAX_SHOWN_LENGTH = 600
_UNKNOWN, _SALT = object(), "core.admin.conflicts"


@dataclass
class TheirChange:
    """A field that a colleague changed after the page was made.

    ``is_open``: the sender changed it as well, and has to choose between ``mine`` and ``theirs``.
    """

    name: str
    label: str
    theirs: str | SafeString
    mine: str | SafeString = ""
    is_open: bool = False
    choice: str = ""
    author: str = ""
    at: datetime | None = None

    @property
    def by(self) -> str:
        return f"{self.author or '有人'} {format_office_time(self.at)}".strip()

    @property
    def keep_name(self) -> str:
        return KEEP + self.name


class _Encoder(DjangoJSONEncoder):
    def default(self, value: Any) -> Any:
        return value.pk if isinstance(value, Model) else super().default(value)


def _plain(value: Any) -> Any:
    """Return the value as JSON would give it back, so that it can be compared with one from the page."""
    return json.loads(json.dumps(value, cls=_Encoder))


class MergingForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's has none at run time
    """First base of a form that changes a row. :class:`MergingAdmin` has locked the row and read the instance."""

    their_changes: list[TheirChange]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.their_changes = []
        # By form field: the model's field that it sets, where the names differ. The audit trail knows that name.
        self.columns: dict[str, str] = getattr(self, "columns", {})

    # --- What the page was made from ---
    @property
    def seen_token(self) -> str:
        """Return the hidden field's text: the values that the page shows, and the conflicts it asks about."""
        if not self.instance.pk or not self.fields:
            return ""
        state = {"row": self._row, "values": {name: self._value_now(name) for name in self.fields}}
        state["open"] = [change.name for change in self.open_changes]
        return signing.dumps(state, salt=_SALT, compress=True)

    @property
    def _row(self) -> list[str]:
        return [self._meta.model._meta.label, str(self.instance.pk)]

    def _read_seen(self) -> tuple[dict[str, Any], list[str]]:
        # Without the hidden field, or with one of another record, the page counts as knowing nothing: every field that
        # it would change becomes a conflict.
        try:
            state = signing.loads(self.data.get(self.add_prefix(SEEN), ""), salt=_SALT)
        except signing.BadSignature:
            return {}, []
        return (state["values"], state["open"]) if state["row"] == self._row else ({}, [])

    def _value_now(self, name: str) -> Any:
        value = _plain(self._initial(name))
        return sorted(value, key=str) if _is_set(self.fields[name]) and value else value

    def _initial(self, name: str) -> Any:
        return self.get_initial_for_field(self.fields[name], name)

    # --- What becomes of each field ---
    def full_clean(self) -> None:
        theirs = self._merge() if self.is_bound and self.instance.pk else []
        super().full_clean()
        if not self.is_bound:
            return
        for change in self.open_changes:
            if change.name not in self.errors:
                self.add_error(change.name, "同事也修改了这一项，请在上面选择")
        _ = self.changed_data  # Django remembers it: read it while the kept fields are disabled, so unchanged
        for field in theirs:
            field.disabled = False
            # If the form comes back, show the kept value.
            field.bound_data = lambda data, initial: initial  # type: ignore[method-assign]

    def _merge(self) -> list[forms.Field]:
        originals, undecided = self._read_seen()
        theirs = []
        for name, field in self.fields.items():
            if field.disabled or isinstance(field.widget, forms.PasswordInput):  # a page holds no secret to compare
                continue
            before, now = originals.get(name, _UNKNOWN), self._value_now(name)
            compare = self._merge_set if _is_set(field) else self._compare
            is_mine, is_open = compare(name, field, before, now, name in undecided)
            if not is_mine:
                # Django takes the value of a disabled field from the row instead of from the request.
                field.disabled = True
                theirs.append(field)
            if is_open or (before is not _UNKNOWN and before != now):
                self.their_changes.append(self._their_change(name, field, before, is_open))
        if self.their_changes:
            _name_authors(self)  # now, before the audit trail records this save as the latest one
        return theirs

    def _compare(self, name: str, field: Any, before: Any, now: Any, is_undecided: bool) -> tuple[bool, bool]:
        """Return (the sender's value is saved, it conflicts with a colleague's)."""
        mine, current = self._posted_value(name, field), self._initial(name)
        was_changed = before is _UNKNOWN or before != now
        original = before if was_changed and before is not _UNKNOWN else current  # what the sender saw in the field
        if not _differs(field, original, mine, like=current) or not _differs(field, current, mine, like=current):
            return False, False  # the sender left it alone, or wrote the value that the row has already
        return (True, True) if was_changed else self._decided(name, is_undecided)

    def _merge_set(self, name: str, field: Any, before: Any, now: Any, is_undecided: bool) -> tuple[bool, bool]:
        """Apply the ticks that the sender added and removed to the row's present ticks.

        Two people never conflict about one tick: it has two values only, so a change means the other one.
        """
        mine = list(dict.fromkeys(str(value) for value in self._posted_value(name, field) or []))
        current = [str(value) for value in _plain(self._initial(name)) or []]
        if set(mine) == set(current):
            return False, False
        if before is _UNKNOWN:
            return True, True
        original = [str(value) for value in before or []]
        removals = {value for value in original if value not in mine}
        result = [value for value in current if value not in removals]
        result += [value for value in mine if value not in original and value not in current]
        data: Any = self.data.copy()  # type: ignore[attr-defined]  # a QueryDict
        data.setlist(self.add_prefix(name), result)
        self.data = data
        return self._decided(name, is_undecided) if set(result) != set(current) else (False, False)

    def _decided(self, name: str, is_undecided: bool) -> tuple[bool, bool]:
        choice = self.data.get(self.add_prefix(KEEP + name)) if is_undecided else "mine"
        return choice != "theirs", choice not in {"mine", "theirs"}

    def _posted_value(self, name: str, field: Any) -> Any:
        return field.widget.value_from_datadict(self.data, self.files, self.add_prefix(name))

    def _their_change(self, name: str, field: Any, before: Any, is_open: bool) -> TheirChange:
        if _is_set(field):
            original, now = [] if before is _UNKNOWN else before or [], self._value_now(name) or []
            theirs = _ticks_in_words(field, original, now)
            mine = _ticks_in_words(field, now, self._posted_value(name, field) or []) if is_open else ""
        else:
            theirs = in_words(field, self._initial(name))
            mine = _typed_in_words(field, self._posted_value(name, field)) if is_open else ""
        label = str(field.label or name)
        return TheirChange(name, label, theirs, mine, is_open, self.data.get(self.add_prefix(KEEP + name), ""))

    @property
    def open_changes(self) -> list[TheirChange]:
        return [change for change in self.their_changes if change.is_open]

    @property
    def kept_changes(self) -> list[TheirChange]:
        return [change for change in self.their_changes if not change.is_open]


def _is_set(field: Any) -> bool:
    return bool(getattr(getattr(field.widget, "widget", field.widget), "allow_multiple_selected", False))


def _differs(field: Any, before: Any, value: Any, *, like: Any) -> bool:
    # Browsers send line ends as CRLF, even where the row holds LF.
    if isinstance(value, str):
        value = value.replace("\r\n", "\n")
    if isinstance(before, str):
        before = before.replace("\r\n", "\n")
        # From the page a decimal or a date comes as text, and a form strips spaces: read it as the form would.
        if isinstance(field, forms.SplitDateTimeField):
            before = forms.DateTimeField().to_python(before)
        elif isinstance(field, forms.CharField) or not isinstance(like, str):
            before = field.to_python(before)
    return field.has_changed(before, value)


def in_words(field: Any, value: Any) -> str | SafeString:
    """Write the value of a form's field as the page shows it to a person."""
    if hasattr(field, "in_words"):
        return field.in_words(value)
    if isinstance(field, forms.BooleanField):
        return "是" if field.to_python(value) else "否"
    if isinstance(field, forms.MultiValueField) and isinstance(value, list):
        value = field.compress([inner.to_python(part) for inner, part in zip(field.fields, value, strict=True)])
    if value in (None, ""):
        return "（空）"
    if isinstance(value, datetime):
        return format_office_time(value)
    if hasattr(field, "choices"):
        return _choices(field).get(str(field.prepare_value(value)), str(value))
    text = str(field.prepare_value(value))
    return text if len(text) <= MAX_SHOWN_LENGTH else text[:MAX_SHOWN_LENGTH] + "…"


def _typed_in_words(field: Any, value: Any) -> str | SafeString:
    try:
        return in_words(field, value)
    except forms.ValidationError:  # the form shows the error itself, below
        return " ".join(str(part) for part in value) if isinstance(value, list) else str(value)


def _ticks_in_words(field: Any, before: Iterable[Any], now: Iterable[Any]) -> str:
    old, new = [str(value) for value in before], [str(value) for value in now]
    labels = _choices(field)
    ticks = {"加上": [value for value in new if value not in old], "去掉": [value for value in old if value not in new]}
    return "；".join(
        f"{verb} {'、'.join(labels.get(value, value) for value in values)}" for verb, values in ticks.items() if values
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

    def prepare(self, request: HttpRequest, object_id: str | None) -> None:
        """Override to do, before a sent form's transaction begins, what must not happen inside it.

        Examples: storing a file, which a rollback would leave behind; asking an upstream, which would hold locks.
        """

    def is_gone(self, row: Any) -> bool:
        """Tell whether the row counts as deleted although it is there."""
        return False

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, *args: Any, **kw: Any) -> Any:
        if request.method == "POST":
            self.prepare(request, object_id)
        return super().changeform_view(request, object_id, *args, **kw)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        row = super().get_object(request, object_id, from_field)
        if row is None or request.method != "POST" or not connection.in_atomic_block:
            return row
        # Lock the row, then read it again: of two forms sent at once, the second sees what the first has saved.
        is_there = lock_row(row)
        row = super().get_object(request, object_id, from_field) if is_there else None
        return None if row is None or self.is_gone(row) else row

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        form.request = request
        return type(form)(form.__name__, (MergingForm, form), {}) if obj and change else form

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            super().save_model(request, obj, form, change)
        elif columns := changed_columns(obj, form.changed_data):
            obj.save(update_fields=columns)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if getattr(form, "kept_changes", None):
            changes = "；".join(f"{change.label}（{change.by}）" for change in form.kept_changes)
            messages.info(request, f"你打开此页之后，同事修改了：{changes}。这些修改都保留了")

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> HttpResponse:
        if request.method != "POST":
            return super()._get_obj_does_not_exist_redirect(request, opts, object_id)
        entries = [
            (str(field.verbose_name), text)
            for field in opts.concrete_fields
            if not field.is_relation and (text := request.POST.get(field.name))
        ]
        is_deleted = self._is_deleted(request, object_id)
        entry = _entries(opts.model, object_id).first() if is_deleted else None
        context = self.admin_site.each_context(request) | {
            "opts": opts, "title": "记录已被删除" if is_deleted else "没有这条记录", "is_deleted": is_deleted,
            "typed": entries, "author": _actor(entry) if entry else "",
            "at": format_office_time(entry.timestamp) if entry else "",
        }  # fmt: skip
        return render(request, "backoffice/gone.html", context, status=404)

    def _is_deleted(self, request: HttpRequest, object_id: str) -> bool:
        """Tell whether the row of a page that the user had open has been deleted since.

        What the user never saw answers as if it never was, whether it is hidden from the user or deleted.
        """
        try:
            state = signing.loads(request.POST.get(SEEN, ""), salt=_SALT)
        except signing.BadSignature:
            return False
        if state["row"] != [self.opts.label, object_id]:
            return False
        row = self.model._base_manager.filter(pk=object_id).first()
        return row is None or self.is_gone(row)


def lock_row(row: Model) -> bool:
    """Lock the row until the transaction ends; tell whether it is still there."""
    rows = type(row)._base_manager.select_for_update(no_key=True).filter(pk=row.pk)
    return bool(rows.values_list("pk", flat=True).first())


def changed_columns(row: Model, names: Sequence[str]) -> list[str]:
    """Return the ``update_fields`` for a form that changed ``names``: those fields and the ``auto_now`` ones."""
    columns = [field.name for field in row._meta.concrete_fields if field.name in names]
    automatic = [field.name for field in row._meta.concrete_fields if getattr(field, "auto_now", False)]
    return columns + automatic if names else []


def _name_authors(form: Any) -> None:
    """Fill in who made each of the colleagues' changes and when, as far as the audit trail knows."""
    recent = list(_entries(type(form.instance), form.instance.pk)[:ENTRIES_LOOKED_AT])
    for change in form.their_changes:
        column = form.columns.get(change.name, change.name)
        if entry := next((entry for entry in recent if column in (entry.changes or {})), None):
            change.author, change.at = _actor(entry), entry.timestamp


def _actor(entry: LogEntry) -> str:
    if entry.actor_id is None:
        return "系统"
    request = present_request()
    is_own = request is not None and entry.actor_id == request.user.pk
    return "你自己（另一个页面）" if is_own else str(entry.actor.label)


def _entries(model: type[Model], pk: Any) -> QuerySet[LogEntry]:
    entries = LogEntry.objects.get_for_model(model).filter(object_pk=str(pk)[:255]).select_related("actor")
    return entries.order_by("-timestamp", "-pk")
