"""Translate `users` and `logs`: all log in as before, by password or WeChat; none gets into the back office."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import get_password_validators, validate_password
from django.core.exceptions import ValidationError

from accounts.demo_users import is_demo_account
from accounts.models import LoginLog, User, new_unid
from accounts.services.phones import can_login
from accounts.services.users import MAX_PASSWORD
from moving.dump import Document, DocumentRefused
from moving.translation import AlreadyHere, ImportRun, Translation
from moving.values import Values, is_whole, plain, plain_all
from permissions.models import DEFAULT_ROLEID, Role

UNID_LENGTH, NAME_LENGTH = 64, 64
_LENGTHS = {"phone": 32, "sex": 8, "city": 64, "province": 64, "country": 64}
MAX_VIP = 99
ACTIVE = (None, "1", 1)  # the first server had no such field


@dataclass
class KnownUsers:
    by_unid: dict[str, User]
    by_name: dict[str, User]
    openids: dict[str, str]  # to the user name
    phones: dict[str, str]  # of users who log in with it, to the user name
    unionids: dict[str, str]
    roles: dict[str, Role]


def look_up(documents: Sequence[Document], _: ImportRun) -> KnownUsers:
    users = User.objects.select_related("role")

    def names_by(field: str, **conditions: Any) -> dict[Any, str]:
        rows = users.filter(**{f"{field}__in": plain_all(documents, field)}, **conditions)
        return dict(rows.values_list(field, "username"))

    return KnownUsers(
        by_unid=users.in_bulk(plain_all(documents, "unid"), field_name="unid"),
        by_name=users.in_bulk(plain_all(documents, "username"), field_name="username"),
        openids=names_by("openid", wechat_appid=settings.WECHAT_APP_ID),
        phones=names_by("phone", is_phone_bound=True),
        unionids=names_by("unionid"),
        roles=Role.objects.in_bulk(field_name="roleid"),
    )


def translate(values: Values, existing: KnownUsers, run: ImportRun) -> User:
    username = values.id("username", NAME_LENGTH)
    unid = _unid(values)
    if run.value(*(("unid", unid) if unid else ("username", username))) is not None:
        raise DocumentRefused(f"与前面的文档重复：{'unid' if unid else '用户名'} 相同")
    same = existing.by_name.get(username)
    if unid in existing.by_unid or (same and not unid):
        for name, key in (("unid", unid), ("username", username), ("phone", plain(values.raw("phone")))):
            run.claim(name, key, username)
        raise AlreadyHere
    user = _fields(values, existing, run)
    user.unid = unid or new_unid()
    if same and run.value("username", username) is None and _is_of_every_installation(username):
        user.pk = same.pk  # see write()
        values.fix("与这里现有的账号合并，密码和角色以这里的为准", username)
    user.username = _free_name(values, username, existing, run)
    user.is_phone_bound = _is_phone_login(values, user, existing, run)
    user.openid = _once(values, "openid", existing.openids, run)
    user.unionid = _once(values, "unionid", existing.unionids, run) or None
    user.wechat_appid = settings.WECHAT_APP_ID if user.openid else ""
    run.claim("unid", user.unid, user.username)
    _password(values, user)
    return user


def before(users: Sequence[User], run: ImportRun) -> None:
    """Hash the passwords in threads: each takes 17 ms on purpose, and argon2 lets other threads run meanwhile.

    A check hashes none, and must not send the plain ones to the database either.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        # No password fits the hash of None.
        hashes = pool.map(make_password, [None if run.is_check else user.password or None for user in users])
        for user, password_hash in zip(users, hashes, strict=True):
            user.password = password_hash


def write(users: Sequence[User], run: ImportRun) -> None:
    for user in users:
        if user.pk is not None:
            _merge(user)
    User.objects.bulk_create([user for user in users if user.pk is None])
    # A number that several of these users have is no login, also not of the first of them.
    phones = [user.phone for user in users if run.value("phone", user.phone) not in {None, user.username}]
    User.objects.filter(phone__in=phones, is_phone_bound=True).update(is_phone_bound=False)


def _merge(user: User) -> None:
    """Give an account that every installation has (root) the old account's number and WeChat identity."""
    here = User.objects.get(pk=user.pk)
    here.unid = user.unid
    if user.openid and not here.openid:
        here.openid, here.wechat_appid = user.openid, user.wechat_appid
    if user.unionid and not here.unionid:
        here.unionid = user.unionid
    here.save(update_fields=["unid", "openid", "wechat_appid", "unionid"])


def _unid(values: Values) -> str:
    unid = values.text("unid", 100)
    if len(unid) > UNID_LENGTH:
        raise DocumentRefused(f"unid 超过 {UNID_LENGTH} 个字符")
    if not unid:
        values.fix("没有 unid，分配新的")
    return unid


def _fields(values: Values, existing: KnownUsers, run: ImportRun) -> User:
    vip_level, vip_expires_at = _vip(values)
    return User(
        role=_role(values, existing),
        nickname=values.text("nickname", 64) or values.text("username", 64),
        headimgurl=values.picture("headimgurl"),
        **{name: values.text(name, length) for name, length in _LENGTHS.items()},
        vip_level=vip_level,
        vip_expires_at=vip_expires_at,
        is_active=values.raw("status") in ACTIVE,
    )


def _vip(values: Values) -> tuple[int, datetime | None]:
    number = values.whole("vipLevel")
    level = min(max(number or 0, 0), MAX_VIP)
    if number != level and values.raw("vipLevel") is not None:
        values.fix(f"vipLevel 不是 0 到 {MAX_VIP} 的整数", values.raw("vipLevel"))
    if not level:
        return 0, None
    ends_at = values.moment("vipStamp", ahead=True) or values.moment("vipExpires", ahead=True)
    # 0 is the old server's "none": a level that staff gave without an end.
    ends = [value for name in ("vipStamp", "vipExpires") if (value := values.raw(name)) not in (None, 0, "0")]
    if ends and ends_at is None:
        values.fix("会员的到期时间无法使用，记为没有到期时间，请在后台核对", ends[0])
    return level, ends_at


def _role(values: Values, existing: KnownUsers) -> Role:
    """Return the role by ``roleid``. Older documents have it in ``roles``, some of them as a list of one."""
    candidates = [values.raw("roleid"), values.raw("roles"), values.raw("role")]
    names = [plain(value[0] if isinstance(value, list) else value) for value in candidates if value]
    for name in names:
        if role := existing.roles.get(name):
            return role
    if names:
        values.fix(f"角色不存在，改为 {DEFAULT_ROLEID}", names[0])
    return existing.roles[DEFAULT_ROLEID]


def _is_of_every_installation(username: str) -> bool:
    return username == "root" or is_demo_account(username)


def _free_name(values: Values, username: str, existing: KnownUsers, run: ImportRun) -> str:
    merges = _is_of_every_installation(username)
    name, number = username, 1
    while run.claim("username", name) is not None or (name in existing.by_name and not merges):
        merges = False
        number += 1
        name = f"{username[: NAME_LENGTH - 8]}-{number}"
        existing.by_name.update({user.username: user for user in User.objects.filter(username=name)})
    if name != username:
        values.fix("用户名已被占用，改名", f"{username} -> {name}")
    return name


def _once(values: Values, name: str, owners: Mapping[Any, str], run: ImportRun) -> str:
    """Read a value that only one user may have; the first user who has it keeps it."""
    text = values.text(name, 128)
    if not text:
        return ""
    owner = owners.get(text) or run.claim(name, text, values.text("username", NAME_LENGTH))
    if owner is not None:
        values.fix(f"{name} 已属于另一个用户，不带入", f"{text} {owner}")
        return ""
    return text


def _is_phone_login(values: Values, user: User, existing: KnownUsers, run: ImportRun) -> bool:
    """Tell whether the user may log in with the number by text message. See ``accounts.services.phones``."""
    if not can_login(user.phone, user.role):
        return False
    owner = run.claim("phone", user.phone, user.username) or existing.phones.get(user.phone)
    if owner is not None:
        values.fix("手机号与另一个用户相同，不能用它短信登录", f"{user.phone} {owner}")
    return owner is None


def _password(values: Values, user: User) -> None:
    password: Any = values.raw("password")
    if isinstance(password, int | float) and not isinstance(password, bool):
        password = values.text("password", MAX_PASSWORD)  # a number means its digits, as for the API
    is_text = isinstance(password, str) and bool(password.strip())
    if not is_text or not is_whole(password):
        user.password = ""  # see before()
        if is_text:
            values.fix("password 含有无法保存的字符，不带入：由老师设置密码")
        elif not user.openid:
            values.fix("没有密码，也没有微信：由老师设置密码后才能登入")
        return
    user.password = password
    if user.pk is not None:
        return
    weakness = _weakness(password, user)
    if weakness and user.role.is_root:
        # Root of the API may set every password, also that of staff.
        user.password = ""
        values.fix("超级管理员的密码不符合要求，不带入：由这里的 root 设置后才能登入", weakness)
    elif weakness:
        values.fix("密码不符合要求，登入照常：请提醒他修改", weakness)


def _weakness(password: str, user: User) -> str:
    if len(password) > MAX_PASSWORD:
        return f"超过 {MAX_PASSWORD} 个字符"
    try:
        validate_password(password, user, _policy())
    except ValidationError as error:
        return "".join(error.messages)
    return ""


@cache
def _policy() -> Any:
    # The rules of production, also in a rehearsal with demo data on.
    return get_password_validators(settings.PASSWORD_POLICY)  # type: ignore[arg-type]


USERS = Translation("users", "用户", translate, look_up, write, before, batch=200)


# --- The login log: one row for each login ---
def logins_look_up(documents: Sequence[Document], run: ImportRun) -> set[tuple[str, datetime, str]]:
    """Return the logins that are here already, by their content, because some dumps have new `_id`s."""
    logins = (_part(Values(document, run.now), "nowLogin") for document in documents)
    moments = [moment for login in logins if (moment := login.moment("loginTime"))]
    here = LoginLog.objects.filter(logged_in_at__in=moments)
    return set(here.values_list("username", "logged_in_at", "ip"))


def login_translate(values: Values, here: set[tuple[str, datetime, str]], run: ImportRun) -> LoginLog:
    username = values.id("username", 64)
    now, last = _part(values, "nowLogin"), _part(values, "lastLogin")
    moment, ip = now.moment("loginTime"), _ip(now)
    if moment is None:
        raise DocumentRefused("没有登入时间")
    is_here = (username, moment, ip) in here
    run.claim_once("login", f"{username} {moment.isoformat()} {ip}", is_here=is_here, what="同一次登入")
    last_moment = last.moment("loginTime")
    return LoginLog(
        username=username,
        logged_in_at=moment,
        ip=ip,
        last_logged_in_at=last_moment,
        last_ip=_ip(last) if last_moment else "",
    )


def logins_write(logins: Sequence[LoginLog], _: ImportRun) -> None:
    pks = dict(User.objects.filter(username__in={login.username for login in logins}).values_list("username", "pk"))
    for login in logins:
        login.user_id = pks.get(login.username)
    LoginLog.objects.bulk_create(logins)


def _part(values: Values, name: str) -> Values:
    part: Any = values.raw(name)
    inner = Values(Document(values.document.place, part if isinstance(part, dict) else {}), values.now)
    inner.fixes = values.fixes
    return inner


def _ip(values: Values) -> str:
    return values.text("ip", 45).removeprefix("::ffff:")


LOGINS = Translation("logs", "登入日志", login_translate, logins_look_up, logins_write)
