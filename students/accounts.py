"""The accounts of students: users of ``accounts`` that belong to one."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Case, QuerySet, TextChoices, When

from accounts.models import User
from accounts.selectors import people_visible
from accounts.services.class_accounts import Slip, class_accounts_move, class_accounts_reset
from accounts.services.users import users_disable, users_enable
from permissions.models import ROOT_ROLEID
from permissions.scope import Scope
from students.errors import AccountRefused
from students.models import Student

ACCOUNT_CLASS_LENGTH = User._meta.get_field("class_name").max_length or 0
SUGGESTED = 10


class Fate(TextChoices):
    """What becomes of the accounts of students who leave."""

    KEEP = "keep", "保留，还能登录"
    DISABLE = "disable", "停用，不能再登录"
    DELETE = "delete", "删除，不能恢复"


def accounts_settle(account_pks: Iterable[int | None], fate: str, *, actor_pk: int | None = None) -> list[int]:
    """Keep, disable or delete the accounts of students who leave, but none of staff; return those it has disabled."""
    users = _trainees().filter(pk__in=[pk for pk in account_pks if pk])
    if fate == Fate.DELETE:
        users.delete()
    if fate != Fate.DISABLE:
        return []
    pks = list(users.filter(is_active=True).order_by().values_list("pk", flat=True))
    users_disable(user_pks=pks, actor_pk=actor_pk)
    return pks


def accounts_follow(moved: Iterable[tuple[Student, str]]) -> None:
    """Move accounts of the class that their student has left to the student's new class.

    Otherwise whoever deletes the accounts of the old class would delete them too. An account whose new class has a name
    too long for accounts stays where it is.

    :param moved: each student with the class before.
    """
    moves = defaultdict(list)
    for student, before in moved:
        if student.account_id and len(student.class_name) <= ACCOUNT_CLASS_LENGTH:
            moves[before, student.class_name].append(student.account_id)
    for (before, after), pks in sorted(moves.items()):
        class_accounts_move(before=before, after=after, user_pks=pks)


def accounts_link(slips: Sequence[Slip], scope: Scope) -> None:
    """Link new accounts to the students of ``scope`` whose number and name are on the slip."""
    users = {user.username: user for user in User.objects.filter(username__in=[slip.username for slip in slips])}
    by_number = {spelling: slip for slip in slips if slip.number for spelling in (slip.number, slip.number.upper())}
    rows = Student.objects.filter(scope.changeable(of=Student), sid__in=by_number, account=None)
    for student in rows.select_for_update().order_by("pk"):
        if student.name == by_number[student.sid].name:
            Student.objects.filter(pk=student.pk).update(account=users[by_number[student.sid].username])


def accounts_suggested(student: Student, by: Any) -> QuerySet[User]:
    """Return accounts in sight of ``by`` that may be the student's: of the same name, those of the class first."""
    taken = Student.objects.exclude(account=None).values("account")
    users = _trainees().filter(people_visible(by), nickname=student.name).exclude(pk__in=taken)
    return users.order_by(Case(When(class_name=student.class_name, then=0), default=1), "-pk")[:SUGGESTED]


def account_link(*, student: Student, username: str, by: Any) -> None:
    """Make the user of this name the student's account.

    :raises AccountRefused: there is no such trainee's account in sight of ``by``, or it is another student's.
    """
    # Whoever could link an account out of sight could then give it a new password, and read that.
    user = _trainees().filter(people_visible(by), username=username).first()
    if user is None or not may_manage(by, user):
        raise AccountRefused("没有这个学员账号")
    try:
        with transaction.atomic():
            student.account = user
            student.save(update_fields=["account"])
    except IntegrityError:
        raise AccountRefused("这个账号已经属于另一名学员") from None


def account_unlink(*, student: Student, by: Any) -> None:
    """Take the account off a student, also one that has become staff's.

    :raises AccountRefused: ``by`` may not manage it.
    """
    if student.account and not may_manage(by, student.account):
        raise AccountRefused
    student.account = None
    student.save(update_fields=["account"])


def account_activate(*, student: Student, is_active: bool, by: Any) -> None:
    """Disable a student's account, or let it log in again.

    :raises AccountRefused: as :func:`account_of`.
    """
    (users_enable if is_active else users_disable)(user_pks=[account_of(student, by).pk])


def account_slip(*, student: Student, by: Any) -> Slip:
    """Give a student's account a new password, which ends its tokens; return the slip.

    :raises AccountRefused: as :func:`account_of`.
    """
    [slip] = class_accounts_reset(User.objects.filter(pk=account_of(student, by).pk))
    return slip._replace(name=student.name, number=student.sid)


def account_of(student: Student, by: Any) -> User:
    """Return a student's account.

    :raises AccountRefused: there is none, or ``by`` may not manage it.
    """
    user = _trainees().filter(pk=student.account_id or 0).first()
    if user is None or not may_manage(by, user):
        raise AccountRefused
    return user


def may_manage(by: Any, user: User) -> bool:
    """Tell whether ``by`` may manage this account. One of no class may have any role, so it is for root alone."""
    return bool(by.is_superuser or (by.has_perm("students.account_student") and user.class_name))


def _trainees() -> QuerySet[User]:
    return User.objects.filter(is_staff=False).exclude(role__roleid=ROOT_ROLEID)
