"""The WSGI application, for HTTP without sockets. It repairs what Python or Django cannot deal with."""

import io
import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")

# isort: split
from core.api.bodies import BLOCK, FILE_LIMIT, body_limit

_django = get_wsgi_application()
_CHARSET = re.compile(r';\s*charset\s*=\s*"?(gb)?[^;]*', re.IGNORECASE)
_ASTERISKS = re.compile(r"\*[\d*]*(?=\s*=)")
MAX_LENGTH_DIGITS = 20  # Python refuses to read 4,300
MAX_CONTENT_TYPE_LENGTH = 256  # a boundary has at most 70 characters


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    # A charset that is no text encoding ("base64", "idna") makes Django fail before any of our code runs. So remove it,
    # because clients use UTF-8, but for GBK and its kin, which Windows writes: of them GB 18030 is the largest.
    # Without asterisks ("charset*0=base64", "x*=no-such''y") a name has one spelling, and its value no charset.
    if kind := environ.get("CONTENT_TYPE"):
        kind = _ASTERISKS.sub("", kind[:MAX_CONTENT_TYPE_LENGTH])
        # Not of a GET, where Django would read the query by it, which is in UTF-8.
        encoding = "; charset=gb18030" if environ["REQUEST_METHOD"] == "POST" else ""
        environ["CONTENT_TYPE"] = _CHARSET.sub(lambda match: encoding if match[1] else "", kind)
    # Problem: Python reads Content-Type and Cookie in quadratic time: 28,000 semicolons took 0.5 s, 60,000 backslashes
    # in a cookie 6.7 s. So the first is cut short, and backslashes are removed, which no cookie of ours holds.
    # Python 3.11.10, 3.12.6 and 3.13 read cookies in linear time: remove the next two lines when we need one of these.
    if "\\" in environ.get("HTTP_COOKIE", ""):
        environ["HTTP_COOKIE"] = environ["HTTP_COOKIE"].replace("\\", "")
    # Only a server that speaks WSGI sets the first of these; `config.asgi` has collected the whole body.
    if not environ.get("wsgi.input_terminated"):
        return _answer(environ, start_response)
    if environ.get("HTTP_TRANSFER_ENCODING"):
        with SpooledTemporaryFile(BLOCK) as body:
            _measure_body(environ, body)
            return _answer(environ, start_response)
    length = environ.get("CONTENT_LENGTH", "")
    if not length.isdecimal() or len(length) > MAX_LENGTH_DIGITS:
        return _answer(environ, start_response)
    whole = environ["wsgi.input"] = _WholeBody(environ["wsgi.input"], int(length))
    answer = _answer(environ, start_response)
    whole.read_rest()
    return answer


class _WholeBody(io.RawIOBase):
    """The body of a request (``wsgi.input``), whose end is missing if its client has left.

    Granian gives what has come as if it were all, and a form without its last fields would be taken for a shorter one.
    nginx sends only whole bodies, HAProxy passes long ones on as they come.

    :raises ConnectionAbortedError: when reading behind the last byte that has come.
    """

    def __init__(self, source: Any, length: int) -> None:
        self.source, self.missing = source, length

    def read(self, size: int = -1) -> bytes:  # `readline` of the base class calls it too
        part: bytes = self.source.read(size)
        self.missing -= len(part)
        if self.missing > 0 and len(part) != size:
            raise ConnectionAbortedError("the body has not arrived")
        return part

    def read_rest(self) -> None:
        """Read what nobody needed. Granian would close the connection, and nginx answer 502 instead of what we say."""
        with suppress(OSError):
            while 0 < self.missing <= FILE_LIMIT and self.read(BLOCK):
                pass


def _measure_body(environ: dict[str, Any], body: IO[bytes]) -> None:
    """Move a body that came in chunks into ``body``, and announce its length: without one Django reads no body at all.

    nginx and ``config.asgi`` do so themselves, HAProxy does not. ``BodyLimitMiddleware`` refuses what is too long.
    """
    limit = body_limit(environ["PATH_INFO"], environ.get("CONTENT_TYPE", ""))
    while body.tell() <= limit and (part := environ["wsgi.input"].read(BLOCK)):
        body.write(part)
    environ["wsgi.input"], environ["CONTENT_LENGTH"] = body, str(body.tell())
    body.seek(0)


def _answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    response: Any = _django(environ, start_response)
    if getattr(response, "streaming", True):
        return response
    # A list, which servers send at once: they would ask Django's own answer for one part after the other.
    body = [response.content]
    response.close()
    return body
