"""The one exception handler: every failure of an API view becomes the envelope here."""

from typing import Any

import structlog
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.http import Http404, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from core.api.envelope import refusal
from core.api.outages import engine_is_down
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


def envelope_exception_handler(error: Exception, context: dict[str, Any]) -> Response:
    outcome = translate(error)
    # To Django an exception that becomes an answer is no failure: without this it would commit the half-done work.
    set_rollback()
    return refusal(outcome)


def translate(error: Exception) -> DomainError:
    """Turn any exception into the error that is answered. One that nobody foresaw is logged and becomes a 500."""
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
