"""Request bodies: how large one may be, how much memory all may take in one process, how JSON and forms are read."""

from codecs import BOM_UTF8
from collections import deque
from collections.abc import Callable, Iterator
from typing import IO, Any, ClassVar

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse, multipartparser
from django.urls import Resolver404, ResolverMatch, resolve
from rest_framework.exceptions import ParseError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser

from core.api.envelope import error_response
from core.errors import BodyTooLarge, ServiceUnavailable, Unreadable

KIB = 1024
MIB = KIB * KIB
BODY_LIMIT = 128 * KIB  # of a call: the longest, a role with all the rows and menu entries it may have, takes 100 KiB
PAGE_LIMIT = MIB
FILE_LIMIT = 32 * MIB  # multipart where a route takes files: a 5 MB picture with its form, a spreadsheet, zipped photos
# Values of a JSON body, counted without parsing it: parsed, 1 MB of empty objects takes 25 MB. A full role has 2,500.
MAX_VALUES = 10_000
BODY_TIMEOUT_S = 120
# A body that arrives slowly is kept in memory meanwhile: ten slow connections took 340 MB. When unfinished bodies take
# more than ROOM together, the largest one is dropped, so that one client's large bodies do not shut out the others. A
# class of forty may send 5 MB each at the same instant. The first FREE bytes of each body do not count, so that
# ordinary small bodies get through even then.
ROOM, FREE = 200 * MIB, 16 * KIB
BLOCK = 64 * KIB
django_parser: Any = multipartparser  # its type stubs have the classes, but not the functions and numbers
FIRST_BYTES = 1_024  # Django looks for the end of a part's head in the first 1,024 bytes, and then in more


def body_limit(path: str, content_type: str) -> int:
    """Return how many bytes a body of this type may have at this path."""
    try:
        match = resolve(path)
    except Resolver404:
        return BODY_LIMIT
    call = getattr(match.func, "endpoint", None)
    if content_type.lower().startswith("multipart/form-data") and _takes_files(match, call):
        return FILE_LIMIT
    return BODY_LIMIT if call else PAGE_LIMIT


def _takes_files(match: ResolverMatch, call: Any) -> bool:
    """Tell whether the route takes files: ask the call's ``endpoint``, the page's view, or the admin class."""
    shows_form = (match.url_name or "").endswith(("_add", "_change"))
    owners = [match.func, call, shows_form and getattr(match.func, "model_admin", None)]
    return any(getattr(owner, "takes_files", False) for owner in owners)


def takes_files(view: Any) -> Any:
    """Mark the view of a back-office page whose form sends files."""
    view.takes_files = True
    return view


class IncomingBody:
    """The body of one request, from its first byte until the request is answered. :meth:`end` frees its memory."""

    large: ClassVar[set["IncomingBody"]] = set()  # those of this process that are larger than FREE
    # How many bytes of this process's room they take. A sum for each part that comes would let a stranger with
    # thousands of open bodies hold the event loop, a byte at a time.
    taken: ClassVar[int] = 0

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 0  # bytes that have arrived, kept or not
        self.is_finished = self.was_dropped = False
        # Kept in blocks: one growing array would be copied again and again and fragment the memory.
        self.blocks: deque[bytearray] = deque()
        self.counted = 0  # of this body, in ``taken``

    @property
    def is_too_large(self) -> bool:
        return self.size > self.limit

    def add(self, part: bytes) -> None:
        """Keep ``part``, unless the body has become too large or was dropped for lack of memory."""
        self.size += len(part)
        if self.is_too_large:
            self.end()
        elif part and not self.was_dropped:  # an empty block would look like the end to the reader
            if self.blocks and len(self.blocks[-1]) + len(part) <= BLOCK:
                self.blocks[-1] += part
            else:
                self.blocks.append(bytearray(part))
            if self.size > FREE:
                self.large.add(self)
                self._count(self.size - FREE)
                self._make_room()

    def _make_room(self) -> None:
        """Drop the largest bodies that have not arrived completely until the others fit."""
        while self.taken > ROOM and (unfinished := [body for body in self.large if not body.is_finished]):
            max(unfinished, key=lambda body: body.size).drop()

    def drop(self) -> None:
        """Forget the body for lack of memory; :class:`BodyLimitMiddleware` then answers 503."""
        self.was_dropped = True
        self.end()

    def finish(self) -> None:
        """Say that the body has arrived completely: from now on it is being answered and is never dropped."""
        self.is_finished = True

    async def receive(self) -> dict[str, Any]:
        """Return the next block as ASGI has it, and forget it; it stays counted, because its reader still holds it."""
        block = self.blocks.popleft() if self.blocks else b""
        return {"type": "http.request", "body": block, "more_body": bool(self.blocks)}

    def end(self) -> None:
        """Free the memory: the request has been answered, or the body is not kept."""
        self.blocks.clear()
        self.large.discard(self)
        self._count(0)

    def _count(self, number: int) -> None:
        IncomingBody.taken += number - self.counted
        self.counted = number


class BodyLimitMiddleware:
    """Refuse a body that is too long or did not come whole, before anything reads it, and a query of too many names.

    ``config.asgi`` collects the bodies, and announces the length that has really arrived.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        length = _announced(request)
        if length and length > body_limit(request.path_info, request.content_type or ""):
            return error_response(BodyTooLarge())
        # Django raises while it reads the query, wherever that is, and logs a traceback that any stranger can cause.
        if request.META.get("QUERY_STRING", "").count("&") >= settings.DATA_UPLOAD_MAX_NUMBER_FIELDS:
            return error_response(BodyTooLarge())
        body = request.META.get("asgi.scope", {}).get("body")
        if body and body.was_dropped:
            return error_response(ServiceUnavailable())
        if body and not body.is_finished:
            return error_response(Unreadable())
        return self.get_response(request)


def _announced(request: HttpRequest) -> int:
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdigit()):
        request.META["CONTENT_LENGTH"] = "0"  # as Django takes it; only its ``body`` would fail
        return 0
    return int(length[:20])  # Python raises ValueError for a number of more than 4,300 digits


class OrjsonParser(BaseParser):
    """orjson refuses deep nesting, lone surrogates and NaN, which would fail later on."""

    media_type = "application/json"

    def parse(self, stream: IO[Any], media_type: str | None = None, parser_context: Any = None) -> dict[str, Any]:
        body = stream.read().removeprefix(BOM_UTF8)
        if not body.strip():
            return {}
        if body.count(b",") + body.count(b"[") + body.count(b"{") > MAX_VALUES:
            raise BodyTooLarge
        try:
            encoding = parser_context["encoding"]
            data = orjson.loads(body if encoding == "utf-8" else body.decode(encoding))
        except ValueError:  # JSON that is none, or bytes that are not in the encoding
            raise ParseError from None
        if not isinstance(data, dict):
            raise ParseError
        return data


class ByContentType(BaseContentNegotiation):
    """Choose the parser by the type of the body. The header Accept is ignored: there is only JSON to send."""

    def select_parser(self, request: Any, parsers: Any) -> Any:
        media_type = request.content_type.split(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == media_type), None)


class Parts(multipartparser.Parser):
    """The parts of a body in the form multipart; a part of the kind RAW is passed over.

    Problem: Django's parser gets two things wrong for our clients. Each can go when Django does the same.

    - A browser sends a file input in which nothing was chosen as a part with ``filename=""``, and Django reads that as
      a blank text: an update would take the picture away. Such a part is left out. Nothing that Django hands on tells
      it from the blank text of a remove button, so the parts have to be seen.
    - curl in a Chinese Windows writes the name of a file in GBK, and Django passes over a part whose head is not UTF-8:
      the file would count as not sent. The head is written in UTF-8 instead.
    """

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
