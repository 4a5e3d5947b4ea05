"""Translate `logs`, the login log: one row for each login."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from accounts.models import LoginLog, User
from moving.dump import Document
from moving.errors import AlreadyHere, DocumentRefused
from moving.translation import Arriving, ImportRun, Translation
from moving.values import Values

Key = tuple[str, datetime, str]


def look_up(documents: Sequence[Document], run: ImportRun) -> set[Key]:
    """Return the logins that are here already, by their content, because some dumps have new `_id`s."""
    moments = [moment for document in documents if (moment := _now(Values(document, run.now)).moment("loginTime"))]
    here = LoginLog.objects.filter(logged_in_at__in=moments)
    return set(here.values_list("username", "logged_in_at", "ip"))


def translate(values: Values, here: set[Key], run: ImportRun) -> LoginLog:
    username = values.id("username", 64)
    now, last = _now(values), _part(values, "lastLogin")
    moment, ip = now.moment("loginTime"), _ip(now)
    if moment is None:
        raise DocumentRefused("没有登入时间")
    if run.index.claim("login", f"{username} {moment.isoformat()} {ip}") is not None:
        raise DocumentRefused("与前面的文档重复：同一次登入")
    if (username, moment, ip) in here:
        raise AlreadyHere
    last_moment = last.moment("loginTime")
    return LoginLog(
        username=username,
        logged_in_at=moment,
        ip=ip,
        last_logged_in_at=last_moment,
        last_ip=_ip(last) if last_moment else "",
    )


def write(arriving: Sequence[Arriving], _: ImportRun) -> None:
    logins = [one.record for one in arriving]
    pks = dict(User.objects.filter(username__in={login.username for login in logins}).values_list("username", "pk"))
    for login in logins:
        login.user_id = pks.get(login.username)
    LoginLog.objects.bulk_create(logins)


def _now(values: Values) -> Values:
    return _part(values, "nowLogin")


def _part(values: Values, name: str) -> Values:
    part: Any = values.raw(name)
    inner = Values(Document(values.document.place, part if isinstance(part, dict) else {}), values.now)
    inner.fixes = values.fixes
    return inner


def _ip(values: Values) -> str:
    return values.text("ip", 45).removeprefix("::ffff:")


LOGINS = Translation("logs", "登入日志", look_up, translate, write)
