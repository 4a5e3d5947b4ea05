"""How passwords are hashed, and the rules for them in addition to Django's (``AUTH_PASSWORD_VALIDATORS``)."""

from typing import Any

from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core.exceptions import ValidationError

from accounts.demo_users import is_demo_account
from accounts.errors import DemoPasswordStays
from core.db.connections import connection_release

MIN_LENGTH = 8
MIN_LENGTH_OF_STAFF = 12  # for root, and for users who may enter the back office


class LeanArgon2PasswordHasher(Argon2PasswordHasher):
    """argon2id with OWASP's minimum (19 MiB, 2 passes).

    A hash takes about 17 ms; with Django's defaults a class that logs in at once would wait much longer. Meanwhile the
    request holds no connection: the pool has fewer of them than there are threads, and of a hundred who come at once
    some would wait for one until they get a 503.
    """

    time_cost = 2
    memory_cost = 19 * 1024
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        connection_release()
        return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        connection_release()
        return super().verify(password, encoded)


class LengthByRole:
    """Refuse a password that is too short for the user's role."""

    def validate(self, password: str, user: Any = None) -> None:
        is_root = getattr(user, "role_id", None) is not None and user.role.is_root
        min_length = MIN_LENGTH_OF_STAFF if is_root or getattr(user, "is_staff", False) else MIN_LENGTH
        if len(password) < min_length:
            raise ValidationError(f"密码长度太短。密码必须包含至少 {min_length} 个字符。", code="password_too_short")

    def get_help_text(self) -> str:
        return f"至少 {MIN_LENGTH} 个字符;超级管理员和可进入后台的用户至少 {MIN_LENGTH_OF_STAFF} 个字符。"


class DemoPasswordsStay:
    """Refuse a new password for a demo account, which a whole class shares. As a validator it works in forms too."""

    def validate(self, password: str, user: Any = None) -> None:
        if user is not None and is_demo_account(user.get_username()):
            raise ValidationError(DemoPasswordStays.msg, code="demo_password_stays")

    def get_help_text(self) -> str:
        return "演示数据开启时，任何密码都可以。"
