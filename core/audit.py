"""Tell django-auditlog who makes a change, and record the changes it cannot see by itself.

``backoffice.audit`` lists the models it watches. Its own middleware is not used, because it connects a signal and
loads the session's user in every request. Here only a change asks for the present request and its user.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import redis
from auditlog.diff import model_instance_diff
from auditlog.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import IntegerChoices, Model, QuerySet

from core import times
from core.api.request import client_ip, present_request
from core.cache import ratelimit
from core.errors import Throttled
from core.observe import tracing

MASK = "••••••"
# Entries that a caller of the API may write, by window: a class of 40 that shares an account, each with a change every
# ten seconds, stays below both. Without a limit one token writes 1,200 in 24 s.
MAX_ENTRIES = {"minute": (300, 60), "day": (10_000, 86_400)}
BURST = timedelta(minutes=1)
DEVICE = "设备"  # what an action's words call the User-Agent
REASON = "原因"  # of a change, beside its fields


class StaffAction(IntegerChoices):
    """What a member of staff did, where that is more than a change of fields; kept in ``LogEntry.action``.

    Above auditlog's own four actions; 101 to 110 are the shop's (``shop.order_states``).
    """

    IMPORT = 111, "导入"
    EXPORT = 112, "导出"
    BULK = 113, "批量操作"
    UNDO = 114, "撤销"
    ARCHIVE = 115, "归档"
    RESTORE = 116, "恢复归档"
    LOGIN = 121, "登录"
    LOGIN_REFUSED = 122, "登录失败"


class Actor(str):
    """The name of a user who does something, and the user's key, since names change and others may take them.

    Services take who acts as a text. One without a key is no user: the system, or what the provider said.
    """

    __slots__ = ("key",)
    key: str

    @classmethod
    def of(cls, user: Any) -> "Actor":
        actor = cls(user.username)
        actor.key = user.unid
        return actor


def actor_facts(actor: str) -> dict[str, str]:
    """Return the fields of a log's row that say who acts."""
    return {"actor": actor[:64], "actor_key": getattr(actor, "key", "")}


# An action on several rows is one line in the list of changes: its first entry. The others have a mark, by which the
# list leaves them out. OTHER has the first entry of each further kind, that is model and action, which a list of one
# kind shows; PART have all the rest.
PART, OTHER = {"part": True}, {"part": False}


def name_actor(instance: Any, **_: Any) -> None:
    """Complete a new entry: who made the change, from which address, and its mark if it is not the first of its action.

    A task has no address, and a user only where it names one itself.
    """
    if instance.pk:
        return
    request: Any = present_request()
    if request is None:
        if instance.actor_id:  # a task does what a person has asked for
            instance.additional_data = part_mark(instance)
        return
    instance.remote_addr = address_now()
    if instance.actor_id is None:
        instance.actor_id = _user_pk(request)
    if hasattr(request, "audit_begun"):  # a client may send the id of an earlier request again
        instance.additional_data = part_mark(instance)
    request.audit_begun = True
    if instance.actor_id and not request.path_info.startswith("/admin/"):
        _call_entry_keep_small(instance)


def _user_pk(request: Any) -> int | None:
    """Return the key of who sends the request; None if nobody is logged in."""
    # In the back office a ``User``; in the API a ``Principal``, which REST framework sets on Django's request too.
    user = getattr(request, "user", None)
    return user.pk if user is not None and user.is_authenticated else None


def _call_entry_keep_small(entry: LogEntry) -> None:
    """Keep the calls of one user from filling the trail: limit their entries, and join those of a burst."""
    _limit(entry.actor_id)
    if entry.action != LogEntry.Action.UPDATE:
        return
    last = LogEntry.objects.filter(content_type=entry.content_type, object_pk=entry.object_pk).order_by("-pk").first()
    if last is not None and _continues(entry, last):
        entry.changes = {name: [last.changes[name][0], after] for name, (_, after) in entry.changes.items()}
        last.delete()


def address_now() -> str | None:
    """Return the address that the present request comes from; None in a task."""
    request = present_request()
    return client_ip(request) or None if request else None


def part_mark(entry: LogEntry) -> dict[str, bool] | None:
    """Return the mark of a new entry: None if its action has no earlier one about another object."""
    # Ask the table: a rollback may have taken the first one away.
    before = LogEntry.objects.filter(cid=entry.cid, actor=entry.actor_id) if entry.cid else LogEntry.objects.none()
    before = before.exclude(content_type=entry.content_type_id, object_pk=entry.object_pk)
    if before.filter(content_type=entry.content_type_id, action=entry.action).exclude(additional_data=PART).exists():
        return PART
    return OTHER if before.filter(additional_data__isnull=True).exists() else None


def _limit(actor_pk: int) -> None:
    """Refuse what would fill the trail; the transaction in which the change was made is rolled back.

    :raises Throttled: the caller has written ``MAX_ENTRIES`` within a window.
    """
    try:
        for name, (limit, window_s) in MAX_ENTRIES.items():
            if wait_s := ratelimit.hit(f"audit:{name}:{actor_pk}", limit=limit, window_s=window_s):
                raise Throttled(wait_s)
    except redis.RedisError:
        pass  # changes are made without Valkey, too


def _continues(entry: LogEntry, last: LogEntry) -> bool:
    """Tell whether an entry may take the place of the row's last one: the same caller, a moment ago, the same fields.

    An entry from another address stays, and so does one whose request changed other rows as well, because 修改记录
    shows all of these in one line.
    """
    if (last.actor_id, last.action, last.remote_addr) != (entry.actor_id, entry.action, entry.remote_addr):
        return False
    if last.timestamp <= times.now() - BURST or last.changes.keys() != entry.changes.keys():
        return False
    if any(isinstance(values, dict) for values in entry.changes.values()):  # of a relation to many
        return False
    return not LogEntry.objects.filter(cid=last.cid).exclude(pk=last.pk).exists()


def mask(value: str) -> str:
    """Replace a secret by dots that show neither its length nor a part of it; an empty value stays empty."""
    return "" if value in {"", "None"} else MASK


def change_note(row: Model, what: str, before: str, after: str) -> None:
    """Record, in words, a change of ``row`` that no field of the model holds."""
    LogEntry.objects.log_create(row, action=LogEntry.Action.UPDATE, changes={what: [before, after]})


def action_record(row: Any, action: int, words: dict[str, str], *, actor_pk: int | None = None, **fields: Any) -> None:
    """Record what a member of staff did to ``row``.

    :param words: what the list and the page of the entry show, by label; empty texts are left out.
    :param actor_pk: None for the user of the present request.
    :param fields: others of the entry, for example its ``timestamp``.
    """
    changes = {label: ["", text] for label, text in words.items() if text}
    LogEntry.objects.log_create(row, action=action, changes=changes, actor_id=actor_pk, **fields)


def action_head(row: Any, action: int, words: dict[str, str], *, actor_pk: int | None) -> None:
    """Record an action that stands for all that the user has changed in this request."""
    entries = LogEntry.objects.filter(cid=tracing.current(), actor=actor_pk, additional_data__isnull=True)
    entries.update(additional_data=OTHER)
    action_record(row, action, words, actor_pk=actor_pk)


def is_by_staff(actor: str) -> bool:
    """Tell whether the present request comes from the back office and ``actor`` is the username of its user.

    The whole name is compared: the log's columns are as long as a username, and no two users have the same one.
    """
    request = present_request()
    if request is None or not request.path_info.startswith("/admin/"):
        return False
    user = getattr(request, "user", None)
    return user is not None and user.is_authenticated and user.get_username() == actor


@contextmanager
def audited(rows: QuerySet[Any], *, actor_pk: int | None = None) -> Iterator[None]:
    """Record what the block changes in ``rows``. For ``queryset.update()``, which sends no signals.

    Reads all rows before and after the block, so pass few. Rows that the block deletes or creates are not recorded.
    """
    with transaction.atomic():
        before = {row.pk: row for row in rows.order_by("pk")}
        yield
        after = rows.model._default_manager.filter(pk__in=before).order_by("pk")
        diffs = ((row, model_instance_diff(before[row.pk], row, use_json_for_changes=True)) for row in after)
        changes_record([(row, changes) for row, changes in diffs if changes], actor_pk=actor_pk)


def changes_record(changes: Sequence[tuple[Model, dict[str, Any]]], *, actor_pk: int | None = None) -> None:
    """Record the changes of rows that were written without signals, by field before and after, in one statement.

    :param actor_pk: for whom a task makes them; None for the user of the present request.
    """
    update = LogEntry.Action.UPDATE
    entries = [entry_of(type(row), row.pk, str(row), update, values, actor_id=actor_pk) for row, values in changes]
    for entry in entries[:1]:
        name_actor(entry)
    for entry in entries[1:]:  # of the same action
        entry.actor_id, entry.additional_data = entries[0].actor_id, PART
    LogEntry.objects.bulk_create(entries)


def entry_of(
    model: type[Model], pk: int | None, about: str, action: int, changes: dict[str, Any], **fields: Any
) -> LogEntry:
    """Make an entry that no signal writes, about one row of a model, or without ``pk`` about several."""
    return LogEntry(
        content_type=ContentType.objects.get_for_model(model),
        object_pk=str(pk or ""),
        object_id=pk,
        object_repr=about,
        action=action,
        changes=changes,
        cid=tracing.current() or None,
        remote_addr=address_now(),
        **fields,
    )
