"""The WSGI application, for HTTP without sockets. It repairs headers that Python or Django cannot deal with."""

import os
import re
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")

_django = get_wsgi_application()
_CHARSET = re.compile(r";\s*charset\*?\s*=[^;]*", re.IGNORECASE)
LONGEST_CONTENT_TYPE = 256  # a boundary has at most 70 characters


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    # Remove the charset: clients use UTF-8, and a charset that is no text encoding ("base64", "idna") makes Django
    # fail before any of our code runs.
    if kind := environ.get("CONTENT_TYPE"):
        environ["CONTENT_TYPE"] = _CHARSET.sub("", kind[:LONGEST_CONTENT_TYPE])
    # Problem: Python reads Content-Type and Cookie in quadratic time: 28,000 semicolons took 0.5 s, 60,000 backslashes
    # in a cookie 6.7 s. So the first is cut short, and backslashes are removed, which no cookie of ours holds.
    # Python 3.11.10, 3.12.6 and 3.13 read cookies in linear time: remove the next two lines with older versions.
    if "\\" in environ.get("HTTP_COOKIE", ""):
        environ["HTTP_COOKIE"] = environ["HTTP_COOKIE"].replace("\\", "")
    response: Any = _django(environ, start_response)
    if getattr(response, "streaming", True):
        return response
    # A list, which servers send at once: they would ask Django's own answer for one part after the other.
    body = [response.content]
    response.close()
    return body
