"""Faults: what the sandbox does wrong on purpose, in every process, until it is switched off.

A fault affects all orders, or one alone (``ORDER_KINDS``), so that trainees on one machine can each try theirs.
"""

import time
from collections.abc import Callable, Collection, Mapping
from functools import wraps
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from sandbox.models import Fault, FaultKind, Trade

View = Callable[..., HttpResponse]
BAD_GATEWAY = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"

MAX_VALUE = 600.0

# Kinds whose value is a time in seconds, and the time that is used when none is named.
DEFAULT_SECONDS = {
    FaultKind.NOTIFY_LATE: 20.0,
    FaultKind.PROVIDER_SLOW: 8.0,
    FaultKind.OAUTH_SLOW: 8.0,
    FaultKind.SMS_SLOW: 8.0,
    FaultKind.WEATHER_SLOW: 8.0,
}

# Kinds that may be set for one order.
ORDER_KINDS = (
    FaultKind.NOTIFY_TWICE,
    FaultKind.NOTIFY_LATE,
    FaultKind.NOTIFY_NEVER,
    FaultKind.WRONG_AMOUNT,
    FaultKind.WRONG_SIGNATURE,
    FaultKind.PAY_AFTER_EXPIRY,
    FaultKind.REFUND_ABNORMAL,
    FaultKind.REFUND_CLOSED,
)


def faults_on(trade: Trade | None = None) -> dict[FaultKind, float]:
    """Return the faults that are on, with their values (seconds if the kind has seconds).

    :param trade: add the faults of this order.
    """
    on = dict(Fault.objects.values_list("kind", "value")) | (trade.faults if trade else {})
    return {FaultKind(kind): value for kind, value in on.items() if kind in FaultKind}


def faults_set(*, changes: Mapping[str, object], reset: bool = False) -> None:
    """Switch faults on (true, or a number of seconds) and off (false, 0 or None); ``reset`` switches all off first.

    :raises ValueError: an unknown kind, or a value that is none of these; nothing was changed.
    """
    values = _values(changes, FaultKind)
    with transaction.atomic():
        replaced = Fault.objects.all() if reset else Fault.objects.filter(kind__in=values)
        replaced.delete()
        rows = [Fault(kind=kind, value=value) for kind, value in values.items() if value]
        Fault.objects.bulk_create(rows, update_conflicts=True, update_fields=["value"], unique_fields=["kind"])


def order_faults_set(*, trade: Trade, changes: Mapping[str, object], reset: bool = False) -> None:
    """Do the same as ``faults_set`` for one order alone, with the kinds of ``ORDER_KINDS``."""
    values = _values(changes, ORDER_KINDS)
    with transaction.atomic():
        row = Trade.objects.select_for_update().get(pk=trade.pk)
        present = {} if reset else row.faults
        row.faults = {kind: value for kind, value in (present | values).items() if value}
        row.save(update_fields=["faults"])
    trade.faults = row.faults


def _values(changes: Mapping[str, object], kinds: Collection[str]) -> dict[str, float]:
    if strange := [kind for kind in changes if kind not in kinds]:
        raise ValueError(f"{strange[0]!r} is not one of {', '.join(kinds)}")
    return {str(kind): _value(FaultKind(kind), value) for kind, value in changes.items()}


def _value(kind: FaultKind, raw: object) -> float:
    if raw is True:
        return DEFAULT_SECONDS.get(kind, 1.0)
    if raw is None or raw is False:
        return 0.0
    if not isinstance(raw, int | float) or not 0 <= raw <= MAX_VALUE:
        raise ValueError(f"{kind}: true, false or a number up to {MAX_VALUE:.0f} is needed")
    return float(raw)


def fault_form(on: Mapping[FaultKind, float], kinds: Collection[FaultKind] = tuple(FaultKind)) -> dict[str, object]:
    """Return the context of ``sandbox/fault_form.html``; ``on`` holds the faults that are on, with their values."""
    rows = [
        {
            "kind": kind,
            "is_on": kind in on,
            "seconds": on.get(kind, DEFAULT_SECONDS.get(kind)),
            "timed": kind in DEFAULT_SECONDS,
        }
        for kind in kinds
    ]
    return {"faults": rows, "max_s": int(MAX_VALUE)}


def changes_of(query: QueryDict, kinds: Collection[FaultKind] = tuple(FaultKind)) -> dict[str, object]:
    """Read the form as it was sent. A value that is not a number means the default."""
    if "reset" in query:
        return {}
    on = query.getlist("on")
    return {kind: _seconds(query.get(f"seconds-{kind}", "")) or True for kind in kinds if kind in on}


def _seconds(raw: str) -> float:
    try:
        seconds = float(raw)
    except ValueError:
        return 0.0
    return seconds if 0 <= seconds <= MAX_VALUE else 0.0


def provider_endpoint(*, slow: FaultKind, down: FaultKind, lost: FaultKind | None = None) -> Callable[[View], View]:
    """Make a view a provider's endpoint, without CSRF check and with its faults.

    Fault ``slow`` waits first; ``down`` answers 502; ``lost`` calls the view and answers 502.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def faulty(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            faults = faults_on()
            time.sleep(faults.get(slow, 0))
            if down in faults:
                return HttpResponse(BAD_GATEWAY, status=502)
            response = view(request, *args, **kwargs)
            return HttpResponse(BAD_GATEWAY, status=502) if lost in faults else response

        return never_cache(csrf_exempt(faulty))

    return decorate
