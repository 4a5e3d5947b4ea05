"""The numbers of the payments that were started, in a file that no restore of the database reaches."""

from contextlib import suppress
from datetime import datetime

import structlog
from django.conf import settings

log = structlog.get_logger("payments")


def number_keep(*, out_trade_no: str, now: datetime) -> None:
    """Append a number. Where that fails the payment goes on: after a restore the provider's bill names it as well."""
    try:
        with settings.PAYMENT_NUMBERS.open("a", encoding="ascii") as file:
            file.write(f"{now.isoformat()} {out_trade_no}\n")  # one write, so lines of several processes do not mix
    except OSError as error:
        log.warning("the number of a payment is not kept", order=out_trade_no, error=str(error))


def numbers_since(moment: datetime) -> set[str]:
    """Return the numbers of the payments that were started on this machine since ``moment``.

    :raises OSError: there is no such file, or it cannot be read.
    """
    numbers = set()
    for line in settings.PAYMENT_NUMBERS.read_text("ascii", errors="replace").splitlines():
        # Of a line a power cut may have kept a part, with the next line behind it.
        with suppress(ValueError):
            at, number = line.split()
            if datetime.fromisoformat(at) >= moment:
                numbers.add(number)
    return numbers
