"""The one exception handler: every failure of an API view becomes the envelope here."""

from typing import Any

import redis
import structlog
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.db import InterfaceError, OperationalError
from django.http import Http404, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from psycopg_pool import PoolTimeout
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from core.api.envelope import refusal
from core.errors import (
    BadParameter,
    BodyTooLarge,
    DomainError,
    InternalError,
    ServiceUnavailable,
    UnknownAddress,
    Unreadable,
    UnsupportedFormat,
    WrongMethod,
)
from core.observe import tracing

log = structlog.get_logger("core.api")

ENGINE_DOWN = (
    OperationalError,
    InterfaceError,
    PoolTimeout,
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
)


def envelope_exception_handler(error: Exception, context: dict[str, Any]) -> Response:
    answer = translate(error)
    # Django commits what ran before an exception that we turn into an answer: undo it.
    set_rollback()
    return refusal(answer)


def translate(error: Exception) -> DomainError:
    """Make an answer of any exception; the unforeseen is logged, and told as our own fault."""
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
        case _ if isinstance(error, ENGINE_DOWN):
            log.error("engine does not answer", engine=type(error).__module__, reason=str(error)[:200])
            return ServiceUnavailable()
    log.exception("unforeseen error")
    return InternalError(tracing.current())


def first_message(detail: Any, field: str = "") -> str:
    """Put the first of a serializer's complaints into one sentence that names the field."""
    if isinstance(detail, dict):
        name, inner = next(iter(detail.items()))
        return first_message(inner, "" if name == "non_field_errors" else str(name))
    if isinstance(detail, list):
        return first_message(detail[0], field)
    return f"{field}: {detail}" if field else str(detail)
