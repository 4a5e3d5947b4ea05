"""Every refusal that a client can meet, for the page /docs/codes/: read off the error classes and the calls."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

from core import errors
from core.api.routing import Endpoint, endpoints
from core.errors import DomainError

SHOW_TEXT = "把 msg 显示给用户"


@dataclass
class Row:
    """``value`` is the field that tells it: the HTTP status, ``code`` or ``status``."""

    value: str
    text: str
    remedy: str
    calls: list[str] = field(default_factory=list)


@dataclass
class Group:
    title: str
    rows: list[Row]
    of_calls: bool = True


@cache
def groups() -> list[Group]:
    """First what any call may answer, then what its own rules refuse, tag by tag."""
    return [
        Group(
            "身份与权限(HTTP 200,看 body.code)",
            _rows([errors.LoginRequired(), errors.TokenInvalid(), errors.NotPermitted()]),
            of_calls=False,
        ),
        Group(
            "传输与参数(每个接口都可能遇到)",
            _rows(
                [
                    errors.BadParameter(),
                    errors.Unreadable(),
                    errors.UnknownAddress(),
                    errors.WrongMethod(),
                    errors.BodyTooLarge(),
                    errors.UnsupportedFormat(),
                    errors.Throttled(1),
                    errors.InternalError(""),
                    errors.UpstreamDown(),
                    errors.ServiceUnavailable(),
                ]
            ),
            of_calls=False,
        ),
        *(Group(tag, rows) for tag, rows in _by_tag().items()),
    ]


def _by_tag() -> dict[str, list[Row]]:
    tags: dict[str, dict[tuple[int, str], Row]] = {}
    for call in endpoints():
        rows = tags.setdefault(call.tag, {})
        for refusal in _own(call):
            row = rows.setdefault((refusal.status, refusal.msg), _row(refusal))
            row.calls.append(re.sub(r"<\w+:(\w+)>", r":\1", call.path))
    return {tag: list(rows.values()) for tag, rows in tags.items() if rows}


def _own(call: Endpoint) -> Iterable[DomainError]:
    failures = call.docs.failures if call.docs else ()
    return (failure() if isinstance(failure, type) else failure for failure in failures)


def _rows(refusals: Iterable[DomainError]) -> list[Row]:
    return [_row(refusal) for refusal in refusals]


def _row(refusal: DomainError) -> Row:
    if refusal.code is not None:
        value = f"code “{refusal.code}”"
    elif refusal.http_status != 200:
        value = f"HTTP {refusal.http_status}"
    else:
        value = str(refusal.status)
    return Row(value, refusal.msg, refusal.remedy or SHOW_TEXT)
