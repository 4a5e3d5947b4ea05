"""What Django's parser of forms with files gets wrong for our clients; its class is replaced in Django's module.

- A browser sends a file input in which nothing was chosen as a part with ``filename=""``, and Django reads that as a
  blank text: an update would take the picture away. Such a part is left out. Nothing that Django hands on tells it from
  the blank text of a remove button, so the parts have to be seen.
- curl in a Chinese Windows writes the name of a file in GBK, and Django passes over a part whose head is not UTF-8:
  the file would count as not sent. The head is written in UTF-8 instead.

Each of the two can go when Django does the same.
"""

from collections.abc import Iterator
from typing import Any

from django.http import multipartparser

django_parser: Any = multipartparser  # its type stubs have the classes, but not the functions and numbers
FIRST_BYTES = 1_024  # Django looks for the end of the head in the first 1,024 bytes, and then in more


class Parts(multipartparser.Parser):
    """The parts of a body in the form multipart; a part of the kind RAW is passed over."""

    def __iter__(self) -> Iterator[Any]:
        this: Any = self
        for part in django_parser.InterBoundaryIter(this._stream, this._separator):
            head, end, content = part.read(FIRST_BYTES).partition(b"\r\n\r\n")
            part.unget((_utf8(head) if end else head) + end + content)
            kind, headers, stream = django_parser.parse_boundary_stream(part, django_parser.MAX_TOTAL_HEADER_SIZE)
            _, options = headers.get("content-disposition", ("", {}))
            is_empty_input = kind == multipartparser.FIELD and "filename" in options
            yield multipartparser.RAW if is_empty_input else kind, headers, stream


def _utf8(head: bytes) -> bytes:
    try:
        head.decode()
    except UnicodeDecodeError:
        return head.decode("gb18030", "replace").encode()
    return head


multipartparser.Parser = Parts  # type: ignore[misc]
