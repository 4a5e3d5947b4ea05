"""The table of all refusals for the page /docs/codes/, made from the error classes and the calls' documentation."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

from core import errors
from core.api.routing import Endpoint, endpoints
from core.errors import DomainError

SHOW_TEXT = "把 msg 显示给用户"


@dataclass
class Refusal:
    """One line of the table. ``value`` is what a client recognises it by: the HTTP status, ``code`` or ``status``."""

    value: str
    text: str
    remedy: str
    calls: list[str] = field(default_factory=list)


@dataclass
class Group:
    title: str
    rows: list[Refusal]
    of_calls: bool = True


@cache
def groups() -> list[Group]:
    """Return first the refusals of every call, then those of each module's own calls."""
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


def _by_tag() -> dict[str, list[Refusal]]:
    tags: dict[str, dict[tuple[int, str], Refusal]] = {}
    for call in endpoints():
        rows = tags.setdefault(call.tag, {})
        for error in _own(call):
            row = rows.setdefault((error.status, error.msg), _row(error))
            row.calls.append(re.sub(r"<\w+:(\w+)>", r":\1", call.path))
    return {tag: list(rows.values()) for tag, rows in tags.items() if rows}


def _own(call: Endpoint) -> Iterable[DomainError]:
    failures = call.docs.failures if call.docs else ()
    return (failure() if isinstance(failure, type) else failure for failure in failures)


def _rows(domain_errors: Iterable[DomainError]) -> list[Refusal]:
    return [_row(error) for error in domain_errors]


def _row(error: DomainError) -> Refusal:
    if error.code is not None:
        value = f"code “{error.code}”"
    elif error.http_status != 200:
        value = f"HTTP {error.http_status}"
    else:
        value = str(error.status)
    return Refusal(value, error.msg, error.remedy or SHOW_TEXT)
