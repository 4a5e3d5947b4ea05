"""One call of an account, as the stream keeps it: nothing of a password, a token or a body, only keyed hashes.

A hash is made with the server's secret. Without that, a list of usual words would tell what was searched.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import blake2b
from operator import attrgetter
from typing import Any

import orjson
from django.conf import settings

from core.times import local
from shop.errors import OrderUnpaid

# The calls of the API that the stream, the signs and the checkpoints know by name.
LOGIN, REFRESH = "/users/login", "/users/refresh"
LIST, SEARCH = "/students/getstulist", "/students/searchstu"
SEARCHES = {SEARCH, "/users/getAllUers"}
POLL = "/order/query_order_status"
NOTICES = ("/pay/payResult", "/pay/notify")
REPEATABLE = {"/cart/check", "/pay/payment", "/users/updateUser"}  # of two equal ones the second changes nothing
CHARTS = "/statistics/"  # each call is another question, not a row of the same list
UPLOADS = ("/upload/uploadImg", "/students/uploadStuAvatar", "/users/uploadAvatar")

MAX_BYTES = 600  # of one call: 300 of them are 180 kB at most, usually 60 kB
MAX_NAMES = 8  # query names
MAX_KEY = 16  # characters of a search
GUESS, POOR_GUESS = "g", "a"  # of a caller known by the address; of one whose address others use as well


class Fact(StrEnum):
    """What is so of a call, with the letter that the stream keeps for it."""

    OK = "o"
    READING = "d"
    CHANGE = "c"
    LOGIN = "n"  # the answer gave a new token
    FINAL = "f"  # the answer says that the order is paid, or will never be
    UNPAGED = "l"
    HEAVY = "p"
    UNKNOWN_PATH = "u"
    CAPTCHA = "v"
    KEY = "k"  # it was done under an ``Idempotency-Key``
    SWITCH = "s"
    READ_ONLY = "r"


@dataclass(slots=True)
class Call:
    """A call and its answer. ``time`` is when it began, in seconds since 1970."""

    time: float
    method: str
    path: str
    query: list[str]
    http: int
    status: int | None
    code: str
    ms: int
    size: int  # of the answer, in bytes
    token: str  # a hash
    hint: str
    msg: str
    facts: str  # the letters of all ``Fact`` that are so
    digest: str = ""  # of all parameters; "" if a switch answered before they were read
    values: list[str] | None = None  # of a reading: a digest of each value; of a GET in the order of `query`
    # Of a search: the digests of its first letter, its first two, and so on. They show that one key begins with another
    # although neither is kept.
    key: str = ""
    retry_s: int = 0  # Retry-After
    guess: str = ""

    @property
    def is_ok(self) -> bool:
        return Fact.OK in self.facts

    @property
    def is_certain(self) -> bool:
        """Tell whether the caller is known by a token or a login, and not by the address."""
        return not self.guess

    @property
    def is_likely(self) -> bool:
        """Tell whether the caller is known, or is the only one who used the address of late."""
        return self.guess != POOR_GUESS

    @property
    def end(self) -> float:
        return self.time + self.ms / 1000

    @property
    def is_own_refusal(self) -> bool:
        """Tell whether it was refused for what the client did. To hear that an order still waits is none."""
        return self.status != OrderUnpaid.status and not any(
            fact in self.facts for fact in (Fact.OK, Fact.SWITCH, Fact.READ_ONLY)
        )

    @property
    def refusal(self) -> str:
        return f"{self.code or (self.http if self.status is None else self.status)} {self.msg}".strip()

    def same_as(self, other: "Call") -> bool:
        """Tell whether both asked for the same, as far as is known."""
        is_unknown = not (self.digest and other.digest)
        return (self.method, self.path) == (other.method, other.path) and (is_unknown or self.digest == other.digest)

    def encoded(self) -> bytes:
        raw = orjson.dumps(_KEPT_FIELDS(self))
        if len(raw) > MAX_BYTES:
            self.query, self.values, self.hint, self.msg = [], None, "", ""
            raw = orjson.dumps(_KEPT_FIELDS(self))
        return raw

    @classmethod
    def decoded(cls, raw: bytes) -> "Call":
        """Return what ``encoded`` made, behind the letter that says how well its caller is known."""
        return cls(*orjson.loads(raw[1:]), *[raw[:1].decode().strip("=")])

    def proof(self) -> dict[str, Any]:
        return {"time": self.iso, "method": self.method, "path": self.path}

    @property
    def iso(self) -> str:
        return local(datetime.fromtimestamp(self.time, UTC)).isoformat(timespec="milliseconds")

    def row(self) -> dict[str, Any]:
        """Return the call as ``/sandbox/control/requests`` tells it."""
        same = {name: getattr(self, name) for name in ("query", "http", "status", "code", "ms", "token", "hint")}
        marks = {"switch": Fact.SWITCH in self.facts, "read_only": Fact.READ_ONLY in self.facts}
        return self.proof() | same | marks | {"bytes": self.size, "guessed": not self.is_certain}


_KEPT_FIELDS = attrgetter(*Call.__slots__[:-1])


def digest(text: str, size: int = 4) -> str:
    key = settings.SECRET_KEY.encode()[:64]
    return blake2b(text.encode("utf-8", "replace"), key=key, digest_size=size).hexdigest()


def key_digest(text: str) -> str:
    return "".join(digest(text[:length]) for length in range(1, min(len(text), MAX_KEY) + 1))
