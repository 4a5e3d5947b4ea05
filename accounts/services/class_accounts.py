"""Create the accounts of a whole class, give them new passwords, and delete them."""

import re
import secrets
from collections.abc import Sequence
from itertools import count
from typing import NamedTuple

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models import Count, Q, QuerySet

from accounts.errors import ClassAccountsRefused
from accounts.models import User
from accounts.selectors import users_of_class
from accounts.services.users import password_set
from accounts.usernames import is_reserved, usernames_refused
from permissions.models import DEFAULT_ROLEID, ROOT_ROLEID, DataScope, Role
from permissions.services.roles import role_scoped

MAX_TRAINEES = 200  # accounts at once: hashing a password takes 17 ms, so 200 take 3.4 s
NAME_LENGTH = 64
_CLASS_NAME = re.compile(r"[\w-]{1,32}")
_NUMBER = re.compile(r"[0-9A-Za-z_-]{1,32}")
_CONSONANTS, _VOWELS, _DIGITS = "bdfghkmnprst", "aeiu", "23456789"


class Trainee(NamedTuple):
    """A line of a class list; ``number`` may be empty."""

    name: str
    number: str = ""


class Slip(NamedTuple):
    """What a trainee gets on paper. The password exists only here; the database keeps its hash."""

    name: str
    number: str
    username: str
    password: str


def names_read(text: str) -> list[Trainee]:
    """Read a class list: on each line a name, or a name and a student number after a comma, tab or blank.

    :raises ClassAccountsRefused: ``msg`` names the first line that cannot be used.
    """
    lines = [(number, line) for number, line in enumerate(text.replace("\ufeff", "").splitlines(), 1) if line.strip()]
    if not lines:
        raise ClassAccountsRefused("名单是空的，每行写一个姓名")
    if len(lines) > MAX_TRAINEES:
        raise ClassAccountsRefused(f"一次最多 {MAX_TRAINEES} 人")
    return [_trainee(line, number) for number, line in lines]


def _trainee(line: str, line_number: int) -> Trainee:
    parts = [part for part in re.split(r"[,，\t ]", line.strip()) if part]
    if len(parts) not in (1, 2) or len(parts[0]) > NAME_LENGTH or not parts[0].isprintable():
        raise ClassAccountsRefused(f"第 {line_number} 行不对：每行只写姓名，或姓名和学号")
    if len(parts) == 2 and not _NUMBER.fullmatch(parts[1]):
        raise ClassAccountsRefused(f"第 {line_number} 行不对：学号只能有字母、数字、下划线和减号")
    return Trainee(*parts)


def class_accounts_create(
    *, class_name: str, trainees: Sequence[Trainee], roleid: str = DEFAULT_ROLEID, scope: str = ""
) -> list[Slip]:
    """Create an account for each trainee, all or none; return the slips in the order of the list.

    The user name is the student number; without one it is the class name with a running number.

    :param scope: the data scope (``permissions.scope``), "" for the role's: a role with another one is copied.
    :raises ClassAccountsRefused: a bad class name or role, user names that are taken, or people who have one already.
    """
    if not _CLASS_NAME.fullmatch(class_name):
        raise ClassAccountsRefused("班级名只能有文字、数字、下划线和减号，最多 32 个字符")
    if is_reserved(_running(class_name)) and not all(trainee.number for trainee in trainees):
        raise ClassAccountsRefused("用户名不能以这个班级名开头：它混用了几种文字，或像别的名字。请换一个，或写上学号")
    role = Role.objects.filter(roleid=roleid).first()
    if role is None or role.is_root:
        raise ClassAccountsRefused("请选择角色（不能是超级管理员）")
    if scope:
        role = role_scoped(roleid=roleid, scope=DataScope(scope))
    with transaction.atomic():
        _refuse_repeated(class_name, trainees)
        usernames = _usernames(class_name, trainees)
        slips = [Slip(*trainee, name, password_make()) for trainee, name in zip(trainees, usernames, strict=True)]
        _refuse_taken({slip.username: slip.name for slip in slips})
        for slip in slips:
            User.objects.create(
                username=slip.username,
                nickname=slip.name,
                role=role,
                class_name=class_name,
                password=make_password(slip.password),
            )
    return slips


def _refuse_repeated(class_name: str, trainees: Sequence[Trainee]) -> None:
    # A reloaded page sends its form again: without this check each trainee gets a second account without a message.
    # A student who has a number now may have an account with a running number from a list without numbers.
    unnumbered = Q(nickname__in=[trainee.name for trainee in trainees if not trainee.number])
    numbered = Q(
        nickname__in=[trainee.name for trainee in trainees if trainee.number],
        username__startswith=_running(class_name),
    )
    accounts = User.objects.filter(unnumbered | numbered, class_name=class_name).order_by("pk")
    nicknames = accounts.values_list("nickname", flat=True)
    if nicknames:
        examples = "、".join(nicknames[:5]) + ("……" if len(nicknames) > 5 else "")
        raise ClassAccountsRefused(f"{class_name} 已经有这些人的账号：{examples}。请只列新来的人，或用“重设密码”")


def trainee_accounts(class_name: str) -> QuerySet[User]:
    """Return the accounts of a class without those of staff and root, whose passwords open more than a lesson."""
    # The role is not joined: whose role changes while ``class_accounts_reset`` waits would not be found.
    return users_of_class(class_name).filter(is_staff=False).exclude(role__in=Role.objects.filter(roleid=ROOT_ROLEID))


@transaction.atomic
def class_accounts_reset(users: QuerySet[User]) -> list[Slip]:
    """Give each account of a class a new password, which ends its tokens; return the new slips."""
    slips = []
    for user in users.select_for_update(no_key=True):
        number = "" if user.username.startswith(_running(user.class_name)) else user.username.upper()
        slip = Slip(user.nickname, number, user.username, password_make())
        password_set(user=user, new_password=slip.password)
        slips.append(slip)
    return slips


@transaction.atomic
def class_accounts_delete(users: QuerySet[User]) -> int:
    """Delete accounts of a class, but not their orders; return how many accounts."""
    _, counts = users.delete()
    return counts.get(User._meta.label, 0)


def class_accounts_move(*, before: str, after: str, user_pks: Sequence[int] | None = None) -> list[int]:
    """Let the accounts of a class, or those of them that are named, belong to another class; return their keys."""
    users = users_of_class(before) if user_pks is None else users_of_class(before).filter(pk__in=user_pks)
    pks = list(users.select_for_update(no_key=True).values_list("pk", flat=True))
    User.objects.filter(pk__in=pks).update(class_name=after)
    return pks


def accounts_by_class() -> list[tuple[str, int]]:
    """Return (class name, number of accounts) for each class that has accounts."""
    rows = User.objects.exclude(class_name="").order_by("class_name").values_list("class_name")
    return list(rows.annotate(accounts=Count("pk")))


def password_make() -> str:
    """Return a random password that is easy to read out and to type, such as ``lumi-kase-4829`` (36 bits)."""
    syllables = ["".join(secrets.choice(_CONSONANTS) + secrets.choice(_VOWELS) for _ in range(2)) for _ in range(2)]
    return "-".join([*syllables, "".join(secrets.choice(_DIGITS) for _ in range(4))])


def _usernames(class_name: str, trainees: Sequence[Trainee]) -> list[str]:
    start = _running(class_name)
    accounts = User.objects.filter(username__istartswith=start)
    existing = {name.lower() for name in accounts.values_list("username", flat=True)}
    running = (f"{start}{number:02}" for number in count(1))
    free = (name for name in running if name not in existing)
    names = [trainee.number.lower() or next(free) for trainee in trainees]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ClassAccountsRefused("学号重复：" + "、".join(twice[:5]))
    return names


def _running(class_name: str) -> str:
    """Return what the user names of those without a student number begin with."""
    return f"{class_name.lower()}-"


def _refuse_taken(people: dict[str, str]) -> None:
    if existing := usernames_refused(people):
        more = f" 等 {len(existing)} 个" if len(existing) > 5 else ""
        raise ClassAccountsRefused(f"用户名已存在：{'、'.join(existing[:5])}{more}。已有账号的班级请用“重设密码”")
