"""Choose which models' changes are recorded, and put a recorded change into words.

Orders, payments and refunds are not watched: each of their steps writes its own log, also of what buyers, WeChat Pay
and the clock did. Signals repeat here the rows of these logs that a member of staff caused, so that no service has to
remember it. Nor are tables watched that the system itself fills with many rows: tokens, journals, sessions, carts.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from auditlog.models import LogEntry
from auditlog.registry import auditlog
from django.apps import apps
from django.conf import settings
from django.core.exceptions import FieldDoesNotExist
from django.db.models import BooleanField, DateTimeField, DecimalField
from django.db.models.signals import post_save

from accounts.models import User
from core.admin.phones import are_phones_whole, phone_masked, phones_masked
from core.audit import StaffAction, action_record, is_by_staff
from core.db.purge import BATCH, rows_purge
from core.money import fen_text, yuan_text
from core.times import format_office_time
from shop.models import Order
from shop.order_states import Event, OrderAction, State
from students.models import Student

# Each model with its options for auditlog. Fields that repeat what the entry or another log says are excluded.
WATCHED: dict[str, dict[str, Any]] = {
    "students.Student": {"mask_fields": ["id_card"]},
    "students.SchoolClass": {"m2m_fields": {"teachers"}},
    "dormitory.Room": {},
    "attendance.Session": {},
    "attendance.Leave": {},
    "accounts.User": {"mask_fields": ["password"], "exclude_fields": ["last_login", "epoch"]},
    "permissions.Role": {"m2m_fields": {"permissions"}, "exclude_fields": ["created_at", "updated_at"]},
    "shop.Category": {"exclude_fields": ["creator", "updator", "created_at", "updated_at"]},
    "shop.Courier": {},
    "shop.Product": {"exclude_fields": ["creator", "updator", "created_at", "updated_at"]},
    "weather.WeatherAccount": {
        "mask_fields": ["sealed_secret"],
        "include_fields": ["version", "appid", "city", "sealed_secret"],
    },
}
STAFF_ACTIONS = (*OrderAction, *StaffAction)
KINDS: dict[int, str] = {
    LogEntry.Action.CREATE: "新增",
    LogEntry.Action.UPDATE: "修改",
    LogEntry.Action.DELETE: "删除",
    **{action.value: str(action.label) for action in STAFF_ACTIONS},
}
# What an export was filtered by, where that may be a phone: the search, and filters of a phone.
_SEARCH = re.compile(r"(?s)\b(?:q|\w*phone\w*)=.*?(?=；\w+=|$)")
MAX_SHOWN = 300  # characters of a value that the page shows
_DONE = {"add": "添加", "delete": "移除"}
# How Django names a right: 学员 | 学员 | Can view 学员
_RIGHT = re.compile(r"[^|]* \| (?P<model>[^|]*) \| Can (?P<verb>view|add|change|delete) .*")
_VERBS = {"view": "查看", "add": "新增", "change": "修改", "delete": "删除"}


def watch_models() -> None:
    for label, options in WATCHED.items():
        auditlog.register(apps.get_model(label), **options)


def watch_logs() -> None:
    post_save.connect(_of_order, sender=apps.get_model("shop.OrderLog"), dispatch_uid="staff_actions_on_orders")
    post_save.connect(_of_money, sender=apps.get_model("payments.PaymentLog"), dispatch_uid="staff_actions_on_money")


def _of_order(instance: Any, created: bool, **_: Any) -> None:
    if created and is_by_staff(instance.actor):
        action_record(*order_action(instance))


def _of_money(instance: Any, created: bool, **_: Any) -> None:
    if created and instance.refund and is_by_staff(instance.actor):
        action_record(*money_action(instance))


def order_action(entry: Any) -> tuple[Any, OrderAction, dict[str, str]]:
    """Return what the trail keeps of a row of an order's log: the order, what was done, and the words."""
    states = dict.fromkeys(State(state).label for state in (entry.from_state, entry.to_state) if state)
    words = {"事件": entry.label, "状态": " → ".join(states), "说明": entry.detail}
    return entry.order, OrderAction.SHIP if entry.tells_of(Event.SHIP) else OrderAction.ORDER, words


def money_action(entry: Any) -> tuple[Any, OrderAction, dict[str, str]]:
    """Return what the trail keeps of a row of the money log that is about a refund."""
    refund = entry.refund
    words = {"事件": entry.event, "金额": fen_text(refund.amount_fen), "原因": refund.reason or entry.detail}
    return refund, OrderAction.REFUND, words


def entries_purge(*, now: datetime, batch: int = BATCH) -> int:
    """Delete the entries older than ``AUDIT_KEEP_DAYS``; return how many. 0 days: keep them for ever."""
    if not settings.AUDIT_KEEP_DAYS:
        return 0
    kept_from = now - timedelta(days=settings.AUDIT_KEEP_DAYS)
    return rows_purge(LogEntry.objects.filter(timestamp__lt=kept_from), batch=batch)


@dataclass(frozen=True)
class Change:
    """One field of an entry, in words. ``before`` is "" where a record was created."""

    field: str
    before: str
    after: str


def changes_of(entry: LogEntry) -> Iterator[Change]:
    """Yield an entry's changes in words: the fields' Chinese names, labels of choices, local times."""
    model = entry.content_type.model_class()
    # What staff write about an order may hold a phone, and where they have changed the receiver, it does.
    hides_phones = entry.action == OrderAction.ORDER and not are_phones_whole(Order)
    # So may what was searched for in the list that an export has.
    hides_searches = entry.action == StaffAction.EXPORT and not all(map(are_phones_whole, (Order, Student, User)))
    for name, values in (entry.changes or {}).items():
        try:
            field: Any = model._meta.get_field(name) if model else None
        except FieldDoesNotExist:  # the model has lost it since the entry was written
            field = None
        if getattr(field, "auto_created", False):  # the id, and reverse relations
            continue
        label = str(getattr(field, "verbose_name", name))
        if isinstance(values, dict):
            objects = "、".join(_right(text) for text in values["objects"])
            is_gone = values["operation"] == "delete"
            yield Change(f"{label}（{_DONE[values['operation']]}）", *((objects, "") if is_gone else ("", objects)))
        else:
            words = [_in_words(field, value) for value in values]
            if hides_searches:
                words = [_SEARCH.sub(lambda match: phones_masked(match[0]), text) for text in words]
            yield Change(label, *(map(phones_masked, words) if hides_phones else words))


def _in_words(field: Any, value: Any) -> str:
    if value in (None, "None", ""):
        return ""
    if getattr(field, "name", "") in {"phone", "parent_phone"} and not are_phones_whole(field.model):
        return phone_masked(str(value))
    if isinstance(field, BooleanField):
        return "是" if value in (True, "True") else "否"
    if isinstance(field, DecimalField):  # an amount, in all watched models
        return yuan_text(Decimal(value))
    if isinstance(field, DateTimeField):
        return _moment(value)
    choices = dict(
        getattr(field, "flatchoices", None) or getattr(getattr(field, "base_field", None), "flatchoices", [])
    )
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return "、".join(str(choices.get(part, part)) for part in value)
    if isinstance(value, list) and all(isinstance(part, dict) and "name" in part for part in value):
        return "、".join(_branch(part) for part in value)
    if isinstance(value, (list, dict)):
        return _shortened(json.dumps(value, ensure_ascii=False))
    return _shortened(str(choices.get(value, value)))


def _right(text: str) -> str:
    match = _RIGHT.fullmatch(text)
    return f"{match['model']}：{_VERBS[match['verb']]}" if match else text


def _branch(entry: dict[str, Any]) -> str:
    """Return the name of an entry of a role's menu, with the entries below it."""
    below = "、".join(_branch(child) for child in entry.get("children", []))
    return f"{entry['name']}（{below}）" if below else str(entry["name"])


def _moment(value: str) -> str:
    try:
        # auditlog writes UTC without an offset
        return format_office_time(datetime.fromisoformat(value).replace(tzinfo=UTC))
    except ValueError:
        return str(value)


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…"
