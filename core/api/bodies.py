"""How large the body of a request may be, and how much of all bodies one process holds: decided here alone."""

from collections import deque
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve

from core.api.envelope import error_response
from core.errors import BodyTooLarge, ServiceUnavailable

KIB = 1024
MIB = KIB * KIB
BODY_LIMIT = MIB
FILE_LIMIT = (
    32 * MIB
)  # multipart, where files are taken: a picture of 5 MB and its form, a spreadsheet, a ZIP of photos
# Who sends slowly makes us hold what has come so far; ten connections took 340 MB. Beyond ROOM the largest unfinished
# body has to go, so that whoever holds many large ones does not shut out others. What each may hold besides lets the
# usual small bodies through even then.
ROOM, FREE = 64 * MIB, 16 * KIB
BLOCK = 64 * KIB
RETRY_AFTER_S = 5


def body_limit(path: str, content_type: str) -> int:
    """Answer how many bytes a body of this type may have at this path."""
    is_multipart = content_type.lower().startswith("multipart/form-data")
    return FILE_LIMIT if is_multipart and _takes_files(path) else BODY_LIMIT


def _takes_files(path: str) -> bool:
    """Ask the route: a call's ``endpoint``, the view of a page, or the admin class whose form it shows."""
    try:
        match = resolve(path)
    except Resolver404:
        return False
    shows_form = (match.url_name or "").endswith(("_add", "_change"))
    owners = [
        match.func,
        getattr(match.func, "endpoint", None),
        shows_form and getattr(match.func, "model_admin", None),
    ]
    return any(getattr(owner, "takes_files", False) for owner in owners)


def takes_files(view: Any) -> Any:
    """Mark a page of the back office as one whose form sends files."""
    view.takes_files = True
    return view


class Room:
    """The memory that bodies may take in this process."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.taken = 0
        self.unfinished: set[IncomingBody] = set()  # those that take some of it

    def make(self) -> None:
        """Let go of the largest unfinished bodies until the others fit."""
        while self.taken > self.size and self.unfinished:
            max(self.unfinished, key=lambda body: body.counted).lose_room()


room = Room(ROOM)


class IncomingBody:
    """The body of one request, while it arrives and until it is answered. :meth:`end` gives its room back."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 0  # of all that came, kept or not
        self.is_finished = self.has_lost_room = False
        # In blocks: one array that grows is copied again and again, and leaves holes of as many sizes in the memory.
        self.blocks: deque[bytearray] = deque()
        self.counted = 0

    @property
    def is_too_large(self) -> bool:
        return self.size > self.limit

    def add(self, part: bytes) -> None:
        """Keep ``part``, unless the body is too large by now or there is no room for it."""
        self.size += len(part)
        if self.is_too_large:
            self._let_go()
        elif not self.has_lost_room:
            if self.blocks and len(self.blocks[-1]) + len(part) <= BLOCK:
                self.blocks[-1] += part
            else:
                self.blocks.append(bytearray(part))
            self._count(max(0, self.size - FREE))
            room.make()

    def lose_room(self) -> None:
        self.has_lost_room = True
        self._let_go()

    def finish(self) -> None:
        """All of it is here: from now on it is being answered, and does not lose its room any more."""
        self.is_finished = True
        room.unfinished.discard(self)

    def take(self) -> bytes:
        """Cut off and answer the first block. It stays counted: whoever reads it holds it."""
        return bytes(self.blocks.popleft()) if self.blocks else b""

    def end(self) -> None:
        self._let_go()

    def _let_go(self) -> None:
        self.blocks.clear()
        self._count(0)

    def _count(self, counted: int) -> None:
        room.taken += counted - self.counted
        self.counted = counted
        if counted and not self.is_finished:
            room.unfinished.add(self)
        else:
            room.unfinished.discard(self)


class BodyLimitMiddleware:
    """Refuse a body by its announced length, before anything reads it, or because the front door had no room for it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if _announced(request) > body_limit(request.path_info, request.content_type or ""):
            return error_response(BodyTooLarge())
        body = request.META.get("asgi.scope", {}).get("body")
        if body and body.has_lost_room:
            return error_response(ServiceUnavailable(headers={"Retry-After": str(RETRY_AFTER_S)}))
        return self.get_response(request)


def _announced(request: HttpRequest) -> int:
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdigit()):
        return 0  # Django takes it so, too
    return int(length[:20])  # Python refuses to read endless numbers
