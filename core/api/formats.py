"""What a call reads and writes: JSON read by orjson, and JSON for every answer, whatever the client says it accepts.

orjson refuses deep nesting, lone surrogates and NaN, which would fail later on.
"""

from typing import IO, Any

import orjson
from rest_framework.exceptions import ParseError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser

from core.api.bodies import holds_too_many_values
from core.errors import BodyTooLarge


class OrjsonParser(BaseParser):
    media_type = "application/json"

    def parse(self, stream: IO[Any], media_type: str | None = None, parser_context: Any = None) -> dict[str, Any]:
        body = stream.read()
        if not body.strip():
            return {}
        if holds_too_many_values(body):
            raise BodyTooLarge
        try:
            data = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise ParseError from None
        if not isinstance(data, dict):
            raise ParseError
        return data


class AlwaysJson(BaseContentNegotiation):
    """Ignore the Accept header: old clients send odd ones, and there is only JSON to send."""

    def select_parser(self, request: Any, parsers: Any) -> Any:
        media_type = request.content_type.split(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == media_type), None)

    def select_renderer(self, request: Any, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type
