"""The envelope (``status``, ``state``, ``msg``) around every answer of the API, and of every failure of a view.

When Valkey or PostgreSQL is down the call is answered with a 503, and nothing is half done: unless the caller can do
without Valkey and catches ``redis.RedisError``, as some limits do (``core/cache/ratelimit.py``).
``tests/long/test_engines_fail.py`` shows it.
"""

import errno
from typing import Any

import orjson
import redis
import structlog
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.db import Error, IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from psycopg.errors import ForeignKeyViolation, IdleInTransactionSessionTimeout, ReadOnlySqlTransaction
from psycopg_pool import PoolTimeout
from rest_framework import exceptions

from core.errors import (
    BadParameter,
    BodyTooLarge,
    DomainError,
    InternalError,
    RowUnknown,
    ServiceUnavailable,
    UnknownAddress,
    Unreadable,
    UnsupportedFormat,
    WrongMethod,
)
from core.observe import tracing

log = structlog.get_logger("core.api")
JSON = "application/json; charset=utf-8"
ENGINE_DOWN = (
    *(OperationalError, InterfaceError, PoolTimeout, redis.ConnectionError, redis.TimeoutError),
    # Valkey answers, but takes no writes: its memory is full, or it is a standby now.
    *(redis.exceptions.OutOfMemoryError, redis.exceptions.ReadOnlyError, redis.exceptions.MasterDownError),
)


class Envelope(HttpResponse):
    """An answer with its body as ``data``, too."""

    def __init__(self, body: dict[str, Any], *, status: int = 200, headers: dict[str, str] | None = None) -> None:
        super().__init__(orjson.dumps(body), content_type=JSON, status=status, headers=headers)
        self.data = body


def ok(msg: str | None = None, *, status: int = 200, **fields: Any) -> Envelope:
    """Make a success answer. ``status`` is the number in the body; the HTTP status is always 200."""
    body: dict[str, Any] = {"status": status, "state": True}
    if msg is not None:
        body["msg"] = msg
    return Envelope(body | fields)


def error_response(error: DomainError) -> Envelope:
    """Make the answer for ``error``, inside an API view and outside: middleware, unknown paths."""
    return Envelope(error.body(), status=error.http_status, headers=error.headers)


def translate(error: Exception) -> DomainError:
    """Turn any exception into the error that is answered. An unforeseen one is logged and becomes a 500."""
    match error:
        case DomainError():
            return error
        case exceptions.ValidationError():
            return BadParameter(first_message(error.detail))
        case exceptions.MethodNotAllowed():
            return WrongMethod()
        case exceptions.UnsupportedMediaType():
            return UnsupportedFormat()
        case RequestDataTooBig() | TooManyFieldsSent() | TooManyFilesSent():
            return BodyTooLarge()
        case exceptions.ParseError() | MultiPartParserError() | UnreadablePostError() | RecursionError():
            return Unreadable()
        case Http404() | exceptions.NotFound():
            return UnknownAddress()
        case IntegrityError(__cause__=ForeignKeyViolation()):
            log.warning("row deleted meanwhile", reason=str(error)[:200])
            return RowUnknown()
        case _ if engine_is_down(error):
            log.error("engine does not answer", engine=type(error).__module__, reason=str(error)[:200])
            return ServiceUnavailable()
    log.exception("unforeseen error")
    return InternalError(tracing.current())


def first_message(detail: Any, field: str = "") -> str:
    """Return the first of a serializer's errors as one sentence that names the field."""
    if isinstance(detail, dict):
        name, inner = next(iter(detail.items()))
        return first_message(inner, "" if name == "non_field_errors" else str(name))
    if isinstance(detail, list):
        return first_message(detail[0], field)
    return f"{field}: {detail}" if field else str(detail)


def engine_is_down(error: BaseException | None) -> bool:
    """Tell whether PostgreSQL or Valkey does not answer, or takes no writes for now, or our own disk is full."""
    if isinstance(error, redis.exceptions.ResponseError) and str(error).startswith("MISCONF"):
        return True  # Valkey cannot save: its disk is full
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return True  # a large upload waits in a temporary file
    # The last two are a primary that has become a standby, and a process too busy to go on with a transaction that
    # PostgreSQL therefore ended; Django knows only that each is an InternalError.
    return isinstance(error, ENGINE_DOWN) or (
        isinstance(error, Error)
        and isinstance(error.__cause__, ReadOnlySqlTransaction | IdleInTransactionSessionTimeout)
    )
