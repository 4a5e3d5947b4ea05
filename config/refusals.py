"""The table of all refusals for the page /docs/codes/, made from the error classes and the calls' documentation."""

import re
from dataclasses import dataclass, field
from functools import cache

from core import errors
from core.api.routing import endpoints
from core.errors import DomainError

SHOW_TEXT = "把 msg 显示给用户"


@dataclass
class Refusal:
    """One line of the table. ``value`` is what a client recognises it by: the HTTP status, ``code`` or ``status``."""

    value: str
    text: str
    remedy: str
    calls: list[str] = field(default_factory=list)


@cache
def groups() -> dict[str, list[Refusal]]:
    """Return, by title, first the refusals of every call, then those of each module's own calls."""
    access = (errors.LoginRequired(), errors.TokenInvalid(), errors.NotPermitted())
    transport = (
        *(errors.BadParameter(), errors.Unreadable(), errors.UnknownAddress(), errors.WrongMethod()),
        *(errors.BodyTooLarge(), errors.UnsupportedFormat(), errors.Throttled(1), errors.InternalError("")),
        *(errors.UpstreamDown(), errors.ServiceUnavailable()),
    )
    return {
        "身份与权限(HTTP 200,看 body.code)": [_row(error) for error in access],
        "传输与参数(每个接口都可能遇到)": [_row(error) for error in transport],
    } | _by_tag()


def _by_tag() -> dict[str, list[Refusal]]:
    tags: dict[str, dict[tuple[int, str], Refusal]] = {}
    for call in endpoints():
        for failure in call.docs.failures if call.docs else ():
            error = failure() if isinstance(failure, type) else failure
            row = tags.setdefault(call.tag, {}).setdefault((error.status, error.msg), _row(error))
            row.calls.append(re.sub(r"<\w+:(\w+)>", r":\1", call.path))
    return {tag: list(rows.values()) for tag, rows in tags.items()}


def _row(error: DomainError) -> Refusal:
    if error.code is not None:
        value = f"code “{error.code}”"
    elif error.http_status != 200:
        value = f"HTTP {error.http_status}"
    else:
        value = str(error.status)
    return Refusal(value, error.msg, error.remedy or SHOW_TEXT)
