"""Faults: what the sandbox does wrong on purpose, in every process, until it is switched off.

A fault affects all orders, or one alone (``ORDER_KINDS``), so that trainees on one machine can each try theirs.
"""

import time
from collections.abc import Callable, Collection, Mapping
from functools import wraps
from typing import Any, Literal

from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from sandbox.models import Fault, FaultKind, Trade

View = Callable[..., HttpResponse]
BAD_GATEWAY = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"

MAX_VALUE = 600.0

# Kinds whose value is a time in seconds, and the time that is used when none is named.
DEFAULT_SECONDS = {FaultKind.NOTIFY_LATE: 20.0} | dict.fromkeys(
    (FaultKind.PROVIDER_SLOW, FaultKind.OAUTH_SLOW, FaultKind.SMS_SLOW, FaultKind.WEATHER_SLOW), 8.0
)

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
    rows = Fault.objects.filter(Q(trade=None) | Q(trade=trade))
    # NULL comes first, so the order's own value replaces that of all. By "-trade" it would come last.
    return {FaultKind(row.kind): row.value for row in rows.order_by("-trade_id")}


def faults_set(*, changes: Mapping[str, Any], reset: bool = False, trade: Trade | None = None) -> None:
    """Switch faults on (true, or a number of seconds) and off (false, 0 or None); ``reset`` switches all off first.

    :param trade: switch those of this order, and not those of all.
    :raises ValueError: an unknown kind, or a value that is none of these; nothing was changed.
    """
    kinds = kinds_of(trade)
    if strange := [kind for kind in changes if kind not in kinds]:
        raise ValueError(f"{strange[0]!r} is not one of {', '.join(kinds)}")
    values = {kind: _value(FaultKind(kind), raw) for kind, raw in changes.items()}
    present = Fault.objects.filter(trade=trade)
    with transaction.atomic():
        (present if reset else present.filter(kind__in=values)).delete()
        rows = [Fault(trade=trade, kind=kind, value=value) for kind, value in values.items() if value]
        Fault.objects.bulk_create(rows, ignore_conflicts=True)  # two may switch the same one at once


def kinds_of(trade: Trade | None) -> Collection[FaultKind]:
    return ORDER_KINDS if trade else tuple(FaultKind)


def _value(kind: FaultKind, raw: Any) -> float:
    if raw is True:
        return DEFAULT_SECONDS.get(kind, 1.0)
    value = 0 if raw is None else raw
    if not isinstance(value, int | float) or not 0 <= value <= MAX_VALUE:
        raise ValueError(f"{kind}: true, false or a number up to {MAX_VALUE:.0f} is needed")
    return float(value)


def faults_shown(trade: Trade | None = None) -> dict[FaultKind, float | Literal[False]]:
    """Return all kinds with their values, False for those that are off: of one order, or without ``trade`` of all."""
    on = dict(Fault.objects.filter(trade=trade).values_list("kind", "value"))
    return {kind: on.get(kind, False) for kind in kinds_of(trade)}


def fault_form(trade: Trade | None = None) -> dict[str, object]:
    """Return the context of ``sandbox/fault_form.html``; ``static/sandbox/faults.js`` sends it."""
    rows = [(kind, value, DEFAULT_SECONDS.get(kind)) for kind, value in faults_shown(trade).items()]
    return {"faults": rows, "max_s": int(MAX_VALUE)}


def provider_endpoint(provider: str, *, lost: FaultKind | None = None) -> Callable[[View], View]:
    """Make a view a provider's endpoint, without CSRF check and with its faults.

    Fault ``<provider>_slow`` waits first; ``<provider>_down`` answers 502; ``lost`` calls the view and answers 502.
    """
    slow, down = FaultKind(f"{provider}_slow"), FaultKind(f"{provider}_down")

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
