"""The last 300 calls of each account, for 12 hours, in Valkey. Development and practice only.

Problem: a table of all calls would cost each call a write on the disk. One script in Valkey writes the call; its list
is bounded in length, and each entry in bytes (``lessons.calls``). A call takes 0.06 to 0.1 ms longer for it.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

import redis
import structlog
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.utils.text import Truncator
from structlog.contextvars import get_contextvars

from accounts.models import User
from accounts.tokens import token_holder
from core import times
from core.api.access import Access
from core.api.endpoint import WATCH, Endpoint
from core.api.hints import Case
from core.api.request import client_ip, token_of_head
from core.api.routing import pages
from core.cache import valkey
from core.errors import BodyTooLarge, LoginRequired, Unreadable
from lessons.calls import GUESS, LOGIN, MAX_NAMES, NOTICES, POLL, POOR_GUESS, SEARCHES, Call, Fact, digest, key_digest
from lessons.services import progress_update
from lessons.signs import HEAVY_BYTES, HEAVY_SIDE, MANY_ROWS
from sockets.packets import encode_event
from sockets.scripts import TELL
from sockets.sessions import is_sid
from uploads.limits import picture_side

log = structlog.get_logger("lessons")
KEPT, KEPT_S, ALONE_S = 300, 12 * 3600, 3600
_KEY, _PLACE = "spms:lesson:", "spms:lesson-place:"
_PAGES, _WAITS = "spms:lesson-pages:", "spms:lesson-waits:"  # the sids that show an account; those that wait for news
MAX_PAGES, WAITS_S = 20, 150  # of an account; longer than a page pauses (static/lessons/live.js)
LOOK_EVERY = 100  # calls of an account: before the oldest go, its checkpoints are looked at
MAX_PATH, MAX_NAME, MAX_HINT, MAX_MSG = 60, 20, 120, 60  # characters
ENDED_ORDERS = {2, 3, 4, 5}  # `order_status` of the contract: cancelled, invalid, closed, returned

# Adds a call to its account's list. A caller who is not known gets the list of the account that last used the address;
# without one nothing is kept. Marks the entry with "=", or with how good the guess is. After 20 guesses in a row it
# keeps no more: whoever shares the address could else push all of an account's own calls out of its list.
# At last tells the pages that wait for news of the account, and returns it if it is time to look at its checkpoints.
_ADD = f"""
{TELL}
local place, unid, now, mark = KEYS[2], ARGV[1], tonumber(ARGV[2]), '='
if unid == '' then
  local who = redis.call('ZREVRANGE', place, 0, 1, 'WITHSCORES')
  if not who[1] then return end
  unid = who[1]
  local before = redis.call('LINDEX', KEYS[1] .. unid, 19)
  if before and string.sub(before, 1, 1) ~= '=' then return end
  mark = who[4] and now - tonumber(who[4]) < {ALONE_S} and '{POOR_GUESS}' or '{GUESS}'
elseif ARGV[4] == '1' then
  redis.call('ZADD', place, now, unid)
  redis.call('ZREMRANGEBYRANK', place, 0, -3)
  redis.call('EXPIRE', place, {KEPT_S})
end
local list = KEYS[1] .. unid
local length = redis.call('LPUSH', list, mark .. ARGV[3])
if length >= {KEPT + LOOK_EVERY} then redis.call('LTRIM', list, 0, {KEPT - 1}) end
redis.call('EXPIRE', list, {KEPT_S})
for _, sid in ipairs(redis.call('ZRANGE', '{_PAGES}' .. unid, 0, -1)) do
  if redis.call('DEL', '{_WAITS}' .. sid) == 1 then tell(sid, '{encode_event("lessonNews", {})}') end
end
return length % {LOOK_EVERY} == 0 and unid
"""

# Lets the socket ARGV[1] hear of the next call of the accounts ARGV[3...]. ARGV[2]: now.
_WATCH = f"""
for at = 3, #ARGV do
  local pages = '{_PAGES}' .. ARGV[at]
  redis.call('ZADD', pages, ARGV[2], ARGV[1])
  redis.call('ZREMRANGEBYRANK', pages, 0, {-1 - MAX_PAGES})
  redis.call('EXPIRE', pages, {WAITS_S})
end
redis.call('SET', '{_WAITS}' .. ARGV[1], 1, 'EX', {WAITS_S})
"""


class StreamMiddleware:
    """Note each call of the API, and each request for an unknown address."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method == "OPTIONS":
            return self.get_response(request)
        watch = _Watch(request)
        request.META[WATCH] = watch.read
        begins_s = time.perf_counter()
        response = self.get_response(request)
        request.META.pop(WATCH)
        if hasattr(request, "call_match") or _is_no_page(request, response):
            try:
                watch.note(response, time.perf_counter() - begins_s)
            except redis.RedisError:
                pass  # the call is answered, and missing in the list
            except Exception:  # a fault in what watches must not become the answer
                log.warning("a call was not noted", path=request.path_info, exc_info=True)
        return response


class _Watch:
    """What is noted of one request: of its parameters as soon as they are read, the rest once it is answered."""

    sent: dict[str, Any] | None = None  # all parameters but the token; None if they were not read
    token: Any = None  # of the body or query
    caller: str | None = None
    is_unpaged = is_heavy = is_ok = False
    endpoint: Endpoint | None = None
    answer: Any = None
    body: dict[str, Any]

    def __init__(self, request: HttpRequest) -> None:
        self.request = request

    def read(self, case: Case) -> None:
        """Take from an answered call what the signs need of its parameters. ``core.api.endpoint`` calls it."""
        if case.http in (Unreadable.http_status, BodyTooLarge.http_status):
            return  # to ask for the parameters once more would be an error
        if case.body.get("code") == LoginRequired.code:
            return  # nobody may let the server read a body without a login
        if case.body.get("state"):  # a refusal may come before the caller is known
            self.caller = getattr(case.request.user, "unid", None)
        sent = self.sent = {**case.sent}
        self.token = sent.pop("token", None)
        if case.endpoint.takes_files:
            files = {name: file for name, file in sent.items() if isinstance(file, UploadedFile)}
            self.is_heavy = any(map(_is_heavy, files.values()))
            sent |= {name: f"{file.name} {file.size}" for name, file in files.items()}
        elif "count" not in sent:
            is_long = any(isinstance(rows, list) and len(rows) > MANY_ROWS for rows in case.body.values())
            self.is_unpaged = is_long and "count" in case.fields

    def note(self, answer: Any, took_s: float) -> None:
        """Put the call into the list of its account, and look at that account's checkpoints when it is time."""
        match = getattr(self.request, "call_match", None)
        if match and match.func.endpoint.path in NOTICES:
            return  # of WeChat Pay, whose stand-in has the address of a trainee at home
        self.endpoint, self.answer = match.func.endpoint if match else None, answer
        self.body = answer.data if isinstance(getattr(answer, "data", None), dict) else {}
        self.is_ok = answer.status_code < 400 and self.body.get("state") is not False
        # What a refusal deals with stands in the context of its log lines; to read that costs as much as the digests.
        about = {"caller": self.caller} if self.caller else get_contextvars()
        token = self._token_sent()
        unid, is_here = (about["caller"], True) if "caller" in about else self._caller(token)
        if not self._is_kept(unid, is_here=is_here):
            return
        path = f"/{match.route}" if match else self.request.path_info[:MAX_PATH]
        call = self._call(path, digest(token) if token else "", took_s, is_read_only="read_only" in about)
        due = call_add(call, unid, address=client_ip(self.request), is_here=is_here)
        if due and (user := User.objects.filter(unid=due).first()):
            progress_update(calls_of([user]), now=times.now())

    def _token_sent(self) -> str:
        token = token_of_head(self.request) or self.token
        return token if isinstance(token, str) else ""

    def _is_kept(self, unid: str | None, *, is_here: bool) -> bool:
        if unid is None and self.body.get("state"):
            return False  # nobody's: a captcha, the weather
        # A name is no proof: wrong passwords that anybody sends end at their limit.
        return is_here or "Retry-After" not in self.answer.headers

    def _call(self, path: str, token: str, took_s: float, *, is_read_only: bool) -> Call:
        request, answer, sent = self.request, self.answer, self.sent or {}
        has_query = answer.status_code != BodyTooLarge.http_status  # else Django refuses the query once more
        names = request.GET if has_query else ()
        query = [name[:MAX_NAME] for name in names if name != "token" and name.isidentifier()][:MAX_NAMES]
        facts = self._facts(is_read_only)
        # The names in a body are not kept, so its page number is left out: it would look like a loop over values.
        valued = query if request.method == "GET" else sorted(sent.keys() - {"page"})[:MAX_NAMES]
        key = sent.get("key") if self.endpoint and self.endpoint.path in SEARCHES else None
        wait = answer.headers.get("Retry-After", "")
        return Call(
            time=round(times.now().timestamp() - took_s, 3),
            method=str(request.method)[:8],
            path=path,
            query=query,
            http=answer.status_code,
            status=self.body.get("status"),
            code=str(self.body.get("code", "")),
            ms=round(took_s * 1000),
            size=0 if answer.streaming else len(answer.content),
            token=token,
            hint=Truncator(hint).chars(MAX_HINT, "…") if (hint := self.body.get("hint")) else "",
            msg="" if self.is_ok else Truncator(self.body.get("msg", "")).chars(MAX_MSG, "…"),
            facts=facts,
            digest="" if self.sent is None else digest(str(sorted(sent.items())), 6),
            values=[digest(str(sent.get(name, "")), 2) for name in valued] if Fact.READING in facts else None,
            key=key_digest(key.strip()) if isinstance(key, str) else "",
            retry_s=int(wait) if wait.isdecimal() else 0,
        )

    def _caller(self, sent_token: str) -> tuple[str | None, bool]:
        """Return whose call it was that no token told, and whether that account is at the address of the call."""
        sent, token = self.sent or {}, self.body.get("token")
        if self.body.get("state") and isinstance(token, str):
            return token_holder(token), True
        for text in (sent_token, sent.get("refresh")):  # they have ended, or were checked by nobody
            if isinstance(text, str) and text and (unid := token_holder(text)):
                return unid, True
        name = sent.get("username")
        if self.endpoint and self.endpoint.path == LOGIN and isinstance(name, str):
            users = User.objects.filter(username=name.strip().lower()[:150])
            return users.values_list("unid", flat=True).first(), False
        return None, False

    def _facts(self, is_read_only: bool) -> str:
        endpoint, is_ok = self.endpoint, self.is_ok
        is_reading = bool(endpoint and (endpoint.is_reading or endpoint.is_quick))
        # A login opens nothing that stays; what a twin has done is given again.
        is_open = not endpoint or (endpoint.access is Access.OPEN and not endpoint.takes_files)
        has_ended = is_ok or self.body.get("order_status") in ENDED_ORDERS
        facts = (
            (Fact.OK, is_ok),
            (Fact.READING, is_reading),
            (
                Fact.CHANGE,
                is_ok and not is_reading and not is_open and "Idempotent-Replayed" not in self.answer.headers,
            ),
            (Fact.LOGIN, is_ok and isinstance(self.body.get("token"), str)),
            (Fact.FINAL, has_ended and endpoint and endpoint.path == POLL),
            (Fact.UNPAGED, is_ok and self.is_unpaged),
            (Fact.HEAVY, self.is_heavy),
            (Fact.UNKNOWN_PATH, endpoint is None),
            (Fact.CAPTCHA, is_ok and is_open and "captcha" in (self.sent or ())),
            (Fact.KEY, is_ok and endpoint and endpoint.is_once and "HTTP_IDEMPOTENCY_KEY" in self.request.META),
            (Fact.SWITCH, hasattr(self.request, "switch")),  # from ``sandbox.switches``
            (Fact.READ_ONLY, is_read_only),
        )
        return "".join(fact for fact, is_so in facts if is_so)


def _is_heavy(file: Any) -> bool:
    if (file.size or 0) > HEAVY_BYTES:
        return True
    with suppress(ValueError, OSError):
        file.seek(0)
        return picture_side(file) > HEAVY_SIDE
    return False


@cache
def _page_heads() -> frozenset[str]:
    return frozenset({"static", *(route.strip("/").partition("/")[0] for route in pages())})


def _is_no_page(request: HttpRequest, response: HttpResponse) -> bool:
    """Tell whether a client meant an unknown call: browsers ask by themselves for icons and the like."""
    head, tail = request.path_info.strip("/").partition("/")[0], request.path_info.rpartition("/")[2]
    is_file = "." in tail or head.startswith(".")
    return response.status_code == 404 and not is_file and head not in _page_heads()


def call_add(call: Call, unid: str | None, *, address: str, is_here: bool) -> str:
    """Add a call to the list of its account; return the account if it is time to look at its checkpoints, else "".

    :param unid: None if the caller is not known.
    :param is_here: whether the account is at the address, so that calls of unknown callers from there may be its own.
    :raises redis.RedisError: it was not added.
    """
    facts = (unid or "", call.time, call.encoded(), int(is_here))
    due = valkey.client().eval(_ADD, 2, _KEY, _PLACE + address, *facts)
    return due.decode() if due else ""


def calls_of(users: Sequence[User]) -> dict[int, list[Call]]:
    """Return the calls of each account by its key, oldest first; none while Valkey does not answer."""
    lists = valkey.client().pipeline(transaction=False)
    for user in users:
        lists.lrange(_KEY + user.unid, 0, KEPT - 1)
    try:
        rows = lists.execute() if users else []
    except redis.RedisError:
        rows = [[] for _ in users]
    calls = (sorted(map(Call.decoded, reversed(raws)), key=lambda call: call.time) for raws in rows)
    return dict(zip([user.pk for user in users], calls, strict=True))


def page_wait(sid: str, users: Sequence[User]) -> None:
    """Let a page's socket hear ``lessonNews`` once, at the next call of these accounts. Read their calls after that.

    It hears no more until it asks again, so a slow page or a busy class never gets more events than it can show.
    """
    if is_sid(sid):
        with suppress(redis.RedisError):  # the page asks after a while besides
            valkey.client().eval(_WATCH, 0, sid, time.time(), *(user.unid for user in users))


def users_noted() -> list[User]:
    """Return the accounts whose calls are kept."""
    keys = valkey.client().scan_iter(match=f"{_KEY}*", count=1000)
    return list(User.objects.filter(unid__in=[key.decode().removeprefix(_KEY) for key in keys]))
