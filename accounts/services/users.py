"""Create, change and delete users and their passwords."""

from collections.abc import Collection
from typing import Any

from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from accounts import avatars, errors
from accounts.demo_users import is_demo_account
from accounts.models import User
from accounts.services.login import own_password_verify
from accounts.services.login_records import LoginContext
from accounts.services.phones import PhoneProof, own_phone_changes, phone_kept, phone_login_claim, phone_replaced_tell
from accounts.tokens import tokens_end
from accounts.usernames import username_claim
from core.audit import audited
from core.errors import DomainError
from permissions.models import DEFAULT_ROLEID, Role

MAX_PASSWORD = 128


@transaction.atomic
def user_register(
    *,
    username: str,
    password: str,
    nickname: str,
    phone: str = "",
    roleid: str | None = None,
    by_root: bool = False,
    hashed: str = "",
    **fields: Any,
) -> User:
    """Create a user; without ``roleid`` with the role ``DEFAULT_ROLEID``.

    :param hashed: the hash of the password, made before the transaction: when a class comes at once, hashing takes
        longer than one may be idle.
    :param by_root: the name is the person's own, so a student of this name may get the number as user name.
    :raises RoleUnknown, PasswordTooWeak, UsernameTaken, PhoneTaken, PhoneMasked: nothing was created.
    """
    phone = phone_kept(phone)
    role = _role(roleid or DEFAULT_ROLEID)
    username_claim(username, person=nickname if by_root else "")  # this error comes before those about the password
    draft = User(username=username, nickname=nickname, phone=phone, role=role, **fields)
    password_require_rules(password, draft)
    draft.is_phone_bound = phone_login_claim(phone, role)
    draft.password = hashed or make_password(password)
    draft.save(force_insert=True)
    return draft


def _role(roleid: str) -> Role:
    role = Role.objects.filter(roleid=roleid).first()
    if role is None:
        raise errors.RoleUnknown
    return role


def user_update(
    *,
    user_pk: int,
    by_root: bool,
    changes: dict[str, Any],
    old_password: str,
    new_password: str,
    proof: PhoneProof,
    context: LoginContext,
) -> None:
    """Change a user: the caller's own record, or as root any user's. Either everything is changed or nothing.

    :param changes: fields of ``User`` with their new values; ``roleid`` names the role.
    :param old_password: must be right for a new password, and for a number that is a login; root needs none.
    :param proof: shows that the caller reads the messages of the new number.
    :raises UserToChangeUnknown: the user has been deleted.
    :raises RoleNotYours: only root may change ``roleid`` and ``vip_level``.
    :raises UsernameTaken, DemoNameStays, RoleUnknown: this change is refused.
    :raises PhoneMasked: see ``phone_kept``.
    :raises PhoneTaken, PhoneNeedsPassword, PhoneTriesExceeded, SmsCodeWrong: see ``own_phone_changes``.
    :raises PasswordNotChanged, DemoPasswordStays, PasswordTooWeak, TooManyFailures: see ``password_change``.
    """
    before = User.objects.filter(pk=user_pk).first()
    if before is None:
        raise errors.UserToChangeUnknown
    # Hashed before the transaction: see ``user_register``.
    needs_password = not by_root and (bool(new_password) or "phone" in changes)
    knows_password = needs_password and own_password_verify(before, old_password, context)
    hashed = make_password(new_password) if new_password and (by_root or knows_password) else ""
    with transaction.atomic():
        user = _locked(user_pk, errors.UserToChangeUnknown)
        knows_password = knows_password and user.password == before.password
        old_phone, was_login = user.phone, user.is_phone_bound
        phone = phone_kept(changes.pop("phone", user.phone), before=user.phone)
        changes = _changes_allowed(user, changes, by_root=by_root)
        if not by_root:
            changes |= own_phone_changes(user, phone, proof=proof, knows_password=knows_password, context=context)
        elif phone != user.phone:
            is_login = phone_login_claim(phone, changes.get("role", user.role))
            changes |= {"phone": phone, "is_phone_bound": is_login}
        for name, value in changes.items():
            setattr(user, name, value)
        user.save(update_fields=list(changes))
        phone_replaced_tell(user, phone=old_phone, was_login=was_login)
        if "headimgurl" in changes:
            avatars.avatar_keep(user_pk=user.pk, url=user.headimgurl)
        if new_password:
            if not (by_root or knows_password):
                raise errors.PasswordNotChanged
            password_set(user=user, new_password=new_password, hashed=hashed)


def _locked(user_pk: int, unknown: type[DomainError]) -> User:
    """Return the user, whom nobody else changes or deletes until this transaction ends.

    The role is read afterwards, not joined: PostgreSQL joins a row for which it has waited to the other tables' rows of
    before, so a user whose role had changed meanwhile would not be found.
    """
    user = User.objects.select_for_update(no_key=True).filter(pk=user_pk).first()
    if user is None:
        raise unknown
    return user


def _changes_allowed(user: User, changes: dict[str, Any], *, by_root: bool) -> dict[str, Any]:
    """Return the fields that really change, the role as a row. A new name is claimed.

    :raises RoleNotYours, RoleUnknown, DemoNameStays, UsernameTaken: as named.
    """
    roleid = changes.pop("roleid", user.role.roleid)
    changes = {name: value for name, value in changes.items() if getattr(user, name) != value}
    if not by_root and (roleid != user.role.roleid or "vip_level" in changes):
        raise errors.RoleNotYours
    if roleid != user.role.roleid:
        changes["role"] = _role(roleid)
    if "username" in changes:
        if is_demo_account(user.username):
            raise errors.DemoNameStays
        person = changes.get("nickname", user.nickname) if by_root else ""
        username_claim(changes["username"], person=person, user_pk=user.pk)
    if changes.get("vip_level") == 0:
        changes |= {"vip_expires_at": None, "vip_rest": None}
    return changes


@transaction.atomic
def users_delete(*, unids: Collection[str] = (), username: str = "", by_pk: int) -> None:
    """Delete users for good, either all that are named or none.

    Tokens, sessions, cart and avatar are deleted too. Orders, payments and logs stay and point to no user any more.

    :param by_pk: the user who deletes.
    :raises UserToDeleteUnknown: one of the users does not exist.
    :raises UserNotDeleted: a user is the caller, or has the role root.
    """
    rows = User.objects.filter(unid__in=unids) if unids else User.objects.filter(username=username)
    users = list(rows.select_for_update().prefetch_related("role").order_by("pk"))  # not joined: see ``_locked``
    if len(users) < max(len(set(unids)), 1):
        raise errors.UserToDeleteUnknown
    for user in users:
        if user.pk == by_pk:
            raise errors.UserNotDeleted("不能删除自己")
        if user.role.is_root:
            raise errors.UserNotDeleted("不能删除超级管理员")
    for user in users:
        user.delete()


def password_require_rules(password: str, user: User) -> None:
    """Check a new password of ``user`` against the rules.

    :raises PasswordTooWeak: says in Chinese what is wrong.
    """
    if len(password) > MAX_PASSWORD:
        raise errors.PasswordTooWeak(f"密码不符合要求:最多 {MAX_PASSWORD} 个字符")
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise errors.PasswordTooWeak("密码不符合要求:" + "".join(error.messages)) from None


def password_change(
    *, user_pk: int, old_password: str, new_password: str, by_root: bool = False, context: LoginContext
) -> None:
    """Change the password of a user who knows the old one. Root may leave the old one out; one that is sent is checked.

    :raises UserUnknown: the user has been deleted.
    :raises PasswordNotChanged: the old password is wrong, or the new one is empty.
    :raises DemoPasswordStays: a whole class shares this account.
    :raises PasswordTooWeak: the new password breaks a rule.
    :raises TooManyFailures: see ``own_password_verify``.
    """
    user = User.objects.filter(pk=user_pk).first()
    if user is None:
        raise errors.UserUnknown
    if (old_password or not by_root) and not own_password_verify(user, old_password, context):
        raise errors.PasswordNotChanged
    password_set(user=user, new_password=new_password)


def password_set(*, user: User, new_password: str, hashed: str = "") -> None:
    """Set a new password; all tokens and sessions of the user end. On an error nothing has changed.

    :param user: as read when the old password was checked.
    :param hashed: see ``user_register``.
    :raises UserUnknown: the user has been deleted.
    :raises PasswordNotChanged: the new password is empty, or the old one was replaced in the meantime.
    :raises DemoPasswordStays: a whole class shares this account.
    :raises PasswordTooWeak: the new password breaks a rule.
    """
    if is_demo_account(user.username):
        raise errors.DemoPasswordStays
    if not new_password:
        raise errors.PasswordNotChanged
    password_require_rules(new_password, user)
    hashed = hashed or make_password(new_password)  # before the transaction: see ``user_register``
    with transaction.atomic():
        if _locked(user.pk, errors.UserUnknown).password != user.password:
            raise errors.PasswordNotChanged
        tokens_end([user.pk], password=hashed)


def users_disable(*, user_pks: list[int], actor_pk: int | None = None) -> None:
    """Disable these users: they cannot log in, and all their tokens and sessions end at once."""
    tokens_end(user_pks, actor_pk, is_active=False)


def users_enable(*, user_pks: list[int], actor_pk: int | None = None) -> None:
    """Let these users log in again; tokens from before they were disabled stay invalid, since the epoch has changed."""
    tokens_end(user_pks, actor_pk, is_active=True)


@transaction.atomic
def avatar_set(*, user_pk: int, url: str) -> None:
    """Make the stored picture at ``url`` the user's avatar."""
    me = User.objects.filter(pk=user_pk)
    with audited(me):
        me.update(headimgurl=url)
    avatars.avatar_keep(user_pk=user_pk, url=url)
