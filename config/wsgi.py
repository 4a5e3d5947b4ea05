"""The HTTP half, for servers that speak WSGI."""

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
    # Clients speak UTF-8. A charset that Python knows and Django cannot use ("base64", "idna") would break
    # Django before any of our code could answer.
    if kind := environ.get("CONTENT_TYPE"):
        environ["CONTENT_TYPE"] = _CHARSET.sub("", kind[:LONGEST_CONTENT_TYPE])
    # Python's readers of these two headers need a time that grows with the square of the length: 28,000 semicolons
    # in Content-Type took 0.5 s, 60,000 backslashes in a cookie 6.7 s. No cookie of ours holds a backslash. Python
    # 3.11.10, 3.12.6 and 3.13 read cookies in linear time: the next two lines can go with the older ones.
    if "\\" in environ.get("HTTP_COOKIE", ""):
        environ["HTTP_COOKIE"] = environ["HTTP_COOKIE"].replace("\\", "")
    return _django(environ, start_response)
