"""Leave out of a form the file inputs in which nothing was chosen, so that they count as not sent.

Problem: a browser sends such an input as a part with ``filename=""``, and Django reads that as a blank text. An update
would take the picture away. Nothing that Django hands on tells it from the blank text of a remove button, so the parts
have to be seen, and their class is replaced in Django's module. This can go when Django leaves such parts out.
"""

from collections.abc import Iterator
from typing import Any

from django.http import multipartparser


class Parts(multipartparser.Parser):
    """The parts of a body in the form multipart; a part of the kind RAW is passed over."""

    def __iter__(self) -> Iterator[Any]:
        for kind, headers, stream in super().__iter__():
            _, options = headers.get("content-disposition", ("", {}))
            is_empty_input = kind == multipartparser.FIELD and "filename" in options
            yield multipartparser.RAW if is_empty_input else kind, headers, stream


multipartparser.Parser = Parts  # type: ignore[misc]
