"""``Idempotency-Key``: what is sent twice is done once, and both times answered the same.

The answer is kept in PostgreSQL, written in the transaction that does the work: so there is never one without the
other. A twin at the same instant waits at the unique key of the row until that transaction ends.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import orjson
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from rest_framework.request import Request

from core import times
from core.api.envelope import Envelope, error_response
from core.api.params import present
from core.cache import ratelimit
from core.errors import DomainError, KeyInvalid, KeyReused, ServiceUnavailable, Throttled
from core.models import KeptAnswer

KEPT_FOR = timedelta(days=1)
KEY = "[!-~]{1,64}"
KEYS_A_DAY = 5_000  # of one account: each is a row for a day, also that of a refusal
_CLAIM = "spms.claim"  # in META


@dataclass(frozen=True)
class Claim:
    """What a request with a key asks for; ``digest`` is that of the call with its parameters and files."""

    user_pk: int
    key: str
    digest: str
    now: datetime

    def kept(self) -> Envelope | None:
        """Return what was answered to this key; None if nothing is kept.

        :raises KeyReused: the key came with other parameters.
        """
        rows = KeptAnswer.objects.filter(user_pk=self.user_pk, key=self.key, created_at__gt=self.now - KEPT_FOR)
        if (row := rows.first()) is None:
            return None
        if row.digest != self.digest:
            raise KeyReused
        return Envelope(orjson.loads(row.answer), headers={"Idempotent-Replayed": "true"})

    def keep(self, work: Callable[[], Envelope]) -> Envelope:
        """Do the work and keep its answer, or return what a twin has been answered."""
        with transaction.atomic():
            row = {"user_pk": self.user_pk, "key": self.key}
            KeptAnswer.objects.filter(**row, created_at__lte=self.now - KEPT_FOR).delete()
            # Waits for the transaction of a twin. If that one fails, it leaves no row, and this one is the first.
            mine, is_first = KeptAnswer.objects.get_or_create(
                **row, defaults={"digest": self.digest, "created_at": self.now}
            )
            if not is_first:
                if (answer := self.kept()) is None:
                    raise ServiceUnavailable  # a purge was between the two questions
                return answer
            answer = work()
            mine.answer = orjson.dumps(answer.data).decode()
            mine.save(update_fields=["answer"])
        return answer


def answer_once(request: Request, endpoint: Any, view: Callable[[], Any]) -> Any:
    """Answer a call of an endpoint with ``is_once`` by its view, or with what its key was answered before.

    A refusal with another HTTP status than 200 is not kept: the client is to send the same again.

    :param endpoint: an ``Endpoint``, whose module imports this one.
    """
    if (claim := _claim_of(request, endpoint)) is None:
        return view()
    if answer := claim.kept():
        return answer
    if wait_s := ratelimit.hit(f"once:{claim.user_pk}", limit=KEYS_A_DAY, window_s=24 * 3600):
        raise Throttled(wait_s)
    request.META[_CLAIM] = claim
    try:
        return view()
    except DomainError as refusal:
        if refusal.http_status != 200:
            raise
        answer = error_response(refusal)
        return claim.keep(lambda: answer)


def done_once(request: Request, work: Callable[[], Envelope]) -> Envelope:
    """Do the work of a view, which changes something, in the transaction that keeps its answer.

    Parameters are read and pictures stored before it: a picture needs seconds, and its file outlives a rollback.
    """
    claim: Claim | None = request.META.get(_CLAIM)
    return claim.keep(work) if claim else work()


def answers_purge(*, now: datetime) -> None:
    KeptAnswer.objects.filter(created_at__lte=now - KEPT_FOR).delete()


def _claim_of(request: Request, endpoint: Any) -> Claim | None:
    """Read the request's key; None without one, or if the call takes none.

    :raises KeyInvalid: the key is empty, too long, or holds a blank or other characters than ASCII's.
    """
    key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is None or not endpoint.is_once:
        return None
    if not re.fullmatch(KEY, key):
        raise KeyInvalid
    values = {name: _mark(value) for name, value in present(request.data).items() if name != "token"}
    digest = sha256(orjson.dumps([endpoint.path, sorted(values.items())])).hexdigest()
    caller: Any = request.user
    return Claim(caller.pk, key, digest, times.now())


def _mark(value: Any) -> str:
    if not isinstance(value, UploadedFile):
        return str(value)
    digest = sha256()
    for part in value.chunks():
        digest.update(part)
    value.seek(0)
    return f"file {digest.hexdigest()}"
