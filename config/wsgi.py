"""The WSGI application, for HTTP without sockets. It repairs what Python or Django cannot deal with."""

import os
import re
from collections.abc import Callable, Iterable
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")

# isort: split
from core.api.bodies import BLOCK, body_limit
from core.api.slow_bodies import TimedBody

_django = get_wsgi_application()
_CHARSET = re.compile(r";\s*charset\*?\s*=[^;]*", re.IGNORECASE)
MAX_CONTENT_TYPE_LENGTH = 256  # a boundary has at most 70 characters


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    # Remove the charset: clients use UTF-8, and a charset that is no text encoding ("base64", "idna") makes Django
    # fail before any of our code runs.
    if kind := environ.get("CONTENT_TYPE"):
        environ["CONTENT_TYPE"] = _CHARSET.sub("", kind[:MAX_CONTENT_TYPE_LENGTH])
    # Problem: Python reads Content-Type and Cookie in quadratic time: 28,000 semicolons took 0.5 s, 60,000 backslashes
    # in a cookie 6.7 s. So the first is cut short, and backslashes are removed, which no cookie of ours holds.
    # Python 3.11.10, 3.12.6 and 3.13 read cookies in linear time: remove the next two lines when we need one of these.
    if "\\" in environ.get("HTTP_COOKIE", ""):
        environ["HTTP_COOKIE"] = environ["HTTP_COOKIE"].replace("\\", "")
    length = environ.get("CONTENT_LENGTH") or ""
    has_body = length or environ.get("HTTP_TRANSFER_ENCODING")
    # With the first of these it is Granian, and the body may still be on its way.
    if not environ.get("wsgi.input_terminated") or not has_body:
        return _answer(environ, start_response)
    environ["wsgi.input"] = TimedBody(
        environ["wsgi.input"], int(length) if length.isdecimal() else 0, environ["REMOTE_ADDR"]
    )
    if environ.get("HTTP_TRANSFER_ENCODING"):
        with SpooledTemporaryFile(BLOCK) as body:
            _measure_body(environ, body)
            return _answer(environ, start_response)
    return _answer(environ, start_response)


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
