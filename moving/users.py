"""`users`: all log in as before, by password or WeChat; none gets into the back office."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import get_password_validators, validate_password
from django.core.exceptions import ValidationError

from accounts.demo_users import is_demo_account
from accounts.models import User, new_unid
from accounts.services.phones import can_login
from moving.document import BROKEN, Document, DocumentRefused, plain
from moving.dump import Dump
from moving.table import AlreadyHere, Table
from permissions.models import DEFAULT_ROLEID, Role

NAME_LENGTH, UNID_LENGTH = 64, 64
TEXTS = {"phone": 32, "sex": 8, "city": 64, "province": 64, "country": 64}
MAX_VIP = 99
ACTIVE = (None, "1", 1)  # the first server had no such field


class Users(Table):
    """``owners`` holds who has a user name, a login phone and the like; ``seen`` what users of the dump have of it."""

    collection, model = "users", User

    def __init__(self, dump: Dump) -> None:
        super().__init__(dump)
        self.roles = Role.objects.in_bulk(field_name="roleid")
        # The rules of production, also in a rehearsal with demo data on.
        self.password_policy = get_password_validators(settings.PASSWORD_POLICY)  # type: ignore[arg-type]
        self.shared_phones: set[str] = set()
        self.merged: set[str] = set()  # user names of ``root`` and the like, which every installation has
        users = User.objects.order_by()
        self.owners: dict[str, dict[Any, str]] = {  # by what only one user has
            **{name: dict(users.values_list(name, "username")) for name in ("unid", "username", "unionid")},
            "phone": dict(users.filter(is_phone_bound=True).values_list("phone", "username")),
            "openid": dict(users.filter(wechat_appid=settings.WECHAT_APP_ID).values_list("openid", "username")),
        }

    def record(self, old: Document) -> User:
        username = old.id("username", NAME_LENGTH)
        unid = old.id("unid", UNID_LENGTH) if plain(old.raw("unid")) else ""
        kind, key = ("unid", unid) if unid else ("username", username)
        if (kind, key) in self.seen:
            raise DocumentRefused(f"与前面的文档重复：{kind} 相同")
        if key in self.owners[kind]:
            for name, value in (("unid", unid), ("username", username), ("phone", plain(old.raw("phone")))):
                self._own(name, value, username)
            raise AlreadyHere
        if not unid:
            old.fix("没有 unid，分配新的")
        user = User(
            unid=unid or new_unid(),
            username=self._username(old, username),
            role=self._role(old),
            nickname=old.text("nickname", 64) or username,
            headimgurl=old.address("headimgurl"),
            is_active=old.raw("status") in ACTIVE,
            **{name: old.text(name, length) for name, length in TEXTS.items()},
        )
        self._own("unid", user.unid, user.username)
        self._own("username", user.username, user.username)
        user.vip_level, user.vip_expires_at = _vip(old)
        user.is_phone_bound = self._is_phone_login(old, user)
        user.openid = self._single(old, "openid", user)
        user.wechat_appid = settings.WECHAT_APP_ID if user.openid else ""
        user.unionid = self._single(old, "unionid", user) or None
        password = self._password(old, user)
        # No password fits the hash of None. A check hashes none: each takes 17 ms on purpose.
        user.password = make_password(None if self.dump.is_check else password)
        return user

    def write(self, records: Sequence[User]) -> None:
        User.objects.bulk_create([user for user in records if user.username not in self.merged])
        for user in records:
            if user.username in self.merged:
                here = User.objects.filter(username=user.username)
                here.update(unid=user.unid)
                here.filter(openid="").update(openid=user.openid, wechat_appid=user.wechat_appid)
                here.filter(unionid=None).update(unionid=user.unionid)
        # A number that several of these users have is no login, also not of the first of them.
        User.objects.filter(phone__in=self.shared_phones, is_phone_bound=True).update(is_phone_bound=False)

    def _own(self, name: str, value: str, username: str) -> str:
        """Note that a user of the dump has this value; return who had it first, here or in the dump."""
        self.seen.add((name, value))
        return self.owners[name].setdefault(value, username)

    def _username(self, old: Document, username: str) -> str:
        is_common = username == "root" or is_demo_account(username)
        if is_common and username in self.owners["username"] and ("username", username) not in self.seen:
            self.merged.add(username)
            old.fix("与这里现有的账号合并，密码和角色以这里的为准", username)
            return username
        return old.free_name(username, self.owners["username"], NAME_LENGTH)

    def _role(self, old: Document) -> Role:
        """Return the role by ``roleid``. Older documents have it in ``roles``, some of them as a list of one."""
        values = [old.raw(name) for name in ("roleid", "roles", "role")]
        names = [plain(value[0] if isinstance(value, list) else value) for value in values if value]
        role = next((self.roles[name] for name in names if name in self.roles), None)
        if names and role is None:
            old.fix(f"角色不存在，改为 {DEFAULT_ROLEID}", names[0])
        return role or self.roles[DEFAULT_ROLEID]

    def _single(self, old: Document, name: str, user: User) -> str:
        """Read a value that only one user may have; the first user who has it keeps it."""
        text = old.text(name, 128)
        owner = self._own(name, text, user.username) if text else user.username
        if owner != user.username:
            old.fix(f"{name} 已属于另一个用户，不带入", f"{text} {owner}")
            return ""
        return text

    def _is_phone_login(self, old: Document, user: User) -> bool:
        """Tell whether the user may log in with the number by text message. See ``accounts.services.phones``."""
        if not can_login(user.phone, user.role):
            return False
        if ("phone", user.phone) in self.seen:
            self.shared_phones.add(user.phone)
        owner = self._own("phone", user.phone, user.username)
        if owner != user.username:
            old.fix("手机号与另一个用户相同，不能用它短信登录", f"{user.phone} {owner}")
        return owner == user.username

    def _password(self, old: Document, user: User) -> str | None:
        """Return the password in plain; None if nobody may log in by one."""
        password: Any = None if user.username in self.merged else old.raw("password")
        if isinstance(password, int | float) and not isinstance(password, bool):
            password = plain(password)  # a number means its digits, as for the API
        if not isinstance(password, str) or not password.strip():
            if not user.openid and user.username not in self.merged:
                old.fix("没有密码，也没有微信：由老师设置密码后才能登入")
            return None
        if BROKEN.search(password):
            old.fix("password 含有无法保存的字符，不带入：由老师设置密码")
            return None
        try:
            validate_password(password, user, self.password_policy)
        except ValidationError as error:
            weakness = "".join(error.messages)
            if user.role.is_root:
                # Root of the API may set every password, also that of staff.
                old.fix("超级管理员的密码不符合要求，不带入：由这里的 root 设置后才能登入", weakness)
                return None
            old.fix("密码不符合要求，登入照常：请提醒他修改", weakness)
        return password


def _vip(old: Document) -> tuple[int, datetime | None]:
    level = 0 if old.raw("vipLevel") is None else old.whole("vipLevel", 0, MAX_VIP, 0)
    ends_at = old.moment("vipStamp", "vipExpires", may_be_ahead=True) if level else None
    # 0 is the old server's "none": a level that staff gave without an end.
    ends = [value for name in ("vipStamp", "vipExpires") if (value := old.raw(name)) not in (None, 0, "0")]
    if level and ends and ends_at is None:
        old.fix("会员的到期时间无法使用，记为没有到期时间，请在后台核对", ends[0])
    return level, ends_at
