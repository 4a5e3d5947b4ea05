"""Read JSON bodies with orjson, which refuses deep nesting, lone surrogates and NaN: these would fail later on."""

from typing import IO, Any

import orjson
from rest_framework.exceptions import ParseError
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
