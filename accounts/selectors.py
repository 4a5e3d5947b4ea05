"""Queries about users and their logins."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, DateField, Q, QuerySet
from django.db.models.functions import Coalesce, Trunc

from accounts.models import LoginLog, LoginMethod, User
from accounts.usernames import is_system
from core.audit import Actor
from core.times import SHANGHAI, day_begins, format_office_time
from permissions.models import ROOT_ROLEID, Role
from permissions.scope import scope_of


def user_list(*, key: str = "", by_phone: bool, roleid: str = "") -> QuerySet[User]:
    """Return users with their roles, oldest first.

    :param key: a part of the username, nickname or phone.
    :param by_phone: False for callers who may not see whole phones: more and more digits would tell them.
    :param roleid: only users with this role.
    """
    users = User.objects.select_related("role").order_by("pk")
    if key:
        names = Q(username__icontains=key) | Q(nickname__icontains=key)
        users = users.filter(names | Q(phone__contains=key) if by_phone else names)
    return users.filter(role__roleid=roleid) if roleid else users


def phone_logins() -> QuerySet[User]:
    """Return the users who log in by text message: their number is theirs alone."""
    return User.objects.filter(is_phone_bound=True)


def sees_phones(role: Role) -> bool:
    """Tell whether a role may see other users' whole phones, by the right that the back office gives."""
    return role.is_root or role.permissions.filter(content_type__app_label="accounts", codename="phone_user").exists()


def people_visible(user: Any) -> Q:
    """Match the users whom a member of staff, or a caller, sees: with a narrow data scope those of the own classes.

    A caller without a class sees no other user.
    """
    scope = scope_of(user)
    if not scope.is_narrow:
        return Q()
    own = Q(class_name=user.class_name) if user.class_name else Q(pk=user.pk)
    return own | Q(class_name__in=scope.classes)


def login_log(colleagues: Q) -> QuerySet[LoginLog]:
    """Return logins, newest first, of the users whom ``colleagues`` matches; an empty one matches all."""
    logins = LoginLog.objects.order_by("-pk")
    return logins.filter(user__in=User.objects.filter(colleagues).values("pk")) if colleagues else logins


def scan_logins(user_pks: Iterable[int]) -> dict[int, int]:
    """Return how often each of these users has logged in by a scan, by the user's key."""
    logins = LoginLog.objects.filter(user__in=list(user_pks), method=LoginMethod.WECHAT).order_by()
    return dict(logins.values_list("user").annotate(Count("pk")))


IDLE_WARNING = timedelta(days=7)


def users_over(now: datetime) -> QuerySet[User]:
    """Return the accounts that a practice server clears: their class ended, or nobody has used them for long.

    Elsewhere there are none. Those of staff stay.
    """
    if not settings.PRACTICE:
        return User.objects.none()
    seen_at = Coalesce("last_login", "created_at")
    users = User.objects.filter(is_staff=False).exclude(role__roleid=ROOT_ROLEID).annotate(seen_at=seen_at)
    idle_since = now - timedelta(days=settings.PRACTICE_DAYS)
    return users.filter(Q(ends_at__lte=now) | Q(seen_at__lte=idle_since)).order_by("seen_at", "pk")


def ending_counts(now: datetime) -> dict[str, int]:
    """Return how many accounts of each class a practice server clears within a week."""
    users = users_over(now + IDLE_WARNING).exclude(class_name="").order_by()
    return dict(users.values_list("class_name").annotate(Count("pk")))


def ending_notice(user: User, now: datetime) -> str:
    """Return what a login says of an account that was to be cleared within a week; "" else.

    :param user: as it was before this login, which ends the time without use.
    """
    if not settings.PRACTICE or user.is_staff or user.is_superuser:
        return ""
    soon = now + IDLE_WARNING
    if user.ends_at and user.ends_at <= soon:
        return f"班级已经结束:{format_office_time(user.ends_at)[:10]}清空并删除这个账号"
    seen_at = user.last_login or user.created_at
    if seen_at + timedelta(days=settings.PRACTICE_DAYS) > soon:
        return ""
    return f"这个账号有{(now - seen_at).days}天没有使用:满{settings.PRACTICE_DAYS}天会清空并删除"


def logins(unit: str, first: date, last: date, user_pk: int | None = None) -> dict[date, int]:
    """Return how many logins there were from ``first`` to ``last``, of all users or of one.

    :param unit: by ``day``, by ``week`` (its Monday) or by ``month`` (its first).
    """
    span = {"logged_in_at__gte": day_begins(first), "logged_in_at__lt": day_begins(last + timedelta(days=1))}
    rows: Any = LoginLog.objects.order_by().filter(**span)
    if user_pk is not None:
        rows = rows.filter(user=user_pk)
    rows = rows.values_list(Trunc("logged_in_at", unit, output_field=DateField(), tzinfo=SHANGHAI))
    return dict(rows.annotate(Count("pk")))


def staff_names() -> list[tuple[int, str]]:
    """Return key and username of the members of staff, in order of the names."""
    return list(User.objects.filter(is_staff=True).order_by("username").values_list("pk", "username"))


def user_pks_of(*usernames: str) -> list[int]:
    """Return the keys of the users with these names, in the order in which they were made."""
    return list(User.objects.filter(username__in=usernames).order_by("pk").values_list("pk", flat=True))


def display_names(usernames: Iterable[str]) -> dict[str, str]:
    """Return how pages name people: nickname（username）. Names of no user, like 系统, stay what they are.

    One query for all.
    """
    names = {name for name in usernames if name}
    users = User.objects.filter(username__in=[name for name in names if not is_system(name)]) if names else []
    return {"": ""} | {name: name for name in names} | {user.username: _display_name(user) for user in users}


def actor_named(username: str) -> str:
    """Return the user of this name as an actor, the bare name if there is none any more."""
    user = User.objects.filter(username=username).first()
    return Actor.of(user) if user else username


def actor_names(logs: Iterable[Any]) -> dict[int, str]:
    """Return how pages name who acted in each row of a log, by the row's key: who it is now, and the name then.

    Rows of 1.1.0, and of those who are no users, have a name only. One query for all.
    """
    rows = list(logs)
    names = {row.actor for row in rows if not row.actor_key and not is_system(row.actor)}
    keys = {row.actor_key for row in rows if row.actor_key}
    users = list(User.objects.filter(Q(unid__in=keys) | Q(username__in=names))) if keys or names else []
    by_key = {user.unid: user for user in users}
    by_name = {user.username: user for user in users if user.username in names}  # one of ``keys`` may be called 系统
    return {row.pk: _actor_name(row, by_key if row.actor_key else by_name) for row in rows}


def _actor_name(row: Any, users: dict[str, User]) -> str:
    user = users.get(row.actor_key or row.actor)
    if user is None:
        return f"{row.actor}（已删除的用户）" if row.actor_key else str(row.actor)
    name = _display_name(user)
    return name if user.username == row.actor else f"{name}，当时叫 {row.actor}"


def _display_name(user: User) -> str:
    if user.nickname not in ("", user.username):
        return f"{user.nickname}（{user.username}）"
    return user.label


def users_found(text: str, *, by_phone: bool) -> QuerySet[User]:
    """Return users whose username or phone begins with ``text``, or who have it as nickname, newest first."""
    condition = Q(username__startswith=text) | Q(nickname=text)
    if by_phone:
        condition |= Q(phone__startswith=text)
    return User.objects.filter(condition).order_by("-pk")


def users_of_class(class_name: str) -> QuerySet[User]:
    """Return the accounts of a class, in the order in which they were made; "" is no class."""
    return User.objects.filter(class_name=class_name).exclude(class_name="").order_by("pk")
