"""One step for each row that is due, within bounds: the loop of the sweeps of this app."""

import time
from collections.abc import Callable, Iterable
from typing import TypeVar

import structlog

from payments.errors import GatewayError, MerchantUnknown, PaymentNotConfigured, ProviderDown

log = structlog.get_logger("payments")
BATCH = 50
MAX_SWEEP_S = 12.0  # begin no call after this: the next sweep begins after 15 s
GIVE_UP_AFTER = 2  # calls without an answer: the rest would only time out too
T = TypeVar("T")


def sweep(rows: Iterable[T], step: Callable[[T], GatewayError | bool], *, seconds: float = 0) -> int:
    """Take a step for each row that is due; return for how many. Any number of sweeps may run at once.

    Stop after 12 s, or when the provider has not answered twice; the rest stays due for the next sweep.

    :param step: claims the row first. Returns False if another sweep has it, or the error that the provider gave.
    :param seconds: instead of the 12.
    """
    ends_at, number, silent = time.monotonic() + (seconds or MAX_SWEEP_S), 0, 0
    for row in rows:
        try:
            outcome = step(row)
        except Exception:  # one row that fails (its order is locked too long, say) must not stop the others
            log.exception("sweep", row=str(row))
            outcome = True
        number += outcome is not False
        is_silence = isinstance(outcome, ProviderDown | PaymentNotConfigured)
        silent += is_silence and not isinstance(outcome, MerchantUnknown)
        if silent >= GIVE_UP_AFTER or time.monotonic() >= ends_at:
            break
    return number
