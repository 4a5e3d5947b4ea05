"""Create the first accounts: root always, and the demo users if demo data is on."""

from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ImproperlyConfigured
from django.utils.crypto import get_random_string

from accounts.demo_users import DEMO_USERS
from accounts.errors import PasswordTooWeak
from accounts.models import User
from accounts.services.users import password_require_rules, users_disable
from core.bootstrap import kept_text
from permissions.models import ROOT_ROLEID, Role


class SeededAccount(NamedTuple):
    """An account after seeding; ``password`` is None if it was changed since it was first created."""

    username: str
    password: str | None
    role: str


def accounts_seed() -> list[SeededAccount]:
    """Create the accounts that are missing, and return all of them. An existing account is not changed.

    The roles must have been seeded. In production demo users with a known password are disabled.

    :raises ImproperlyConfigured: production has no root yet, and no ROOT_PASSWORD or a weak one.
    """
    roles = {role.roleid: role for role in Role.objects.all()}
    accounts = [_root(roles[ROOT_ROLEID])]
    if settings.DEPLOYED:
        _shut_out_demo_users()
    if settings.DEMO_DATA:
        accounts += [
            _account(demo.username, demo.password, roles[demo.roleid], nickname=demo.nickname, is_staff=demo.is_staff)
            for demo in DEMO_USERS
        ]
    return accounts


def _shut_out_demo_users() -> None:
    # The database may come from development or from a backup of it: the demo passwords are public, so shut these out.
    passwords = {demo.username: demo.password for demo in DEMO_USERS}
    active = User.objects.filter(username__in=passwords, is_active=True)
    users_disable(user_pks=[user.pk for user in active if user.check_password(passwords[user.username])])


def root_password_file() -> Path:
    return settings.STATE_DIR / "root-password"


def _root(role: Role) -> SeededAccount:
    is_new = not User.objects.filter(username="root").exists()
    password = settings.ROOT_PASSWORD or _kept_password(is_new)
    if settings.DEPLOYED and is_new:
        _refuse_weak(password)
    return _account("root", password, role, nickname="王者管理员", is_staff=True)


def _account(username: str, password: str, role: Role, **fields: Any) -> SeededAccount:
    first = fields | {"role": role, "password": lambda: make_password(password)}
    user, is_new = User.objects.get_or_create(username=username, defaults=first)
    is_current = is_new or (bool(password) and user.check_password(password))
    return SeededAccount(username, password if is_current else None, user.role.name)


def _kept_password(is_new: bool) -> str:
    """Return the generated password from its file; outside production create one for a new root."""
    file = root_password_file()
    if not file.exists() and (not is_new or settings.DEPLOYED):
        return ""
    return kept_text(file, lambda: get_random_string(16))


def _refuse_weak(password: str) -> None:
    if not password:
        raise ImproperlyConfigured("ROOT_PASSWORD is not set: the first start makes the root account with it.")
    try:
        password_require_rules(password, User(username="root", is_staff=True))
    except PasswordTooWeak as error:
        raise ImproperlyConfigured(f"ROOT_PASSWORD: {error.msg}") from None
