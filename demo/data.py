"""Create the demo data, and put it back as it was. Nothing here runs unless DEMO_DATA is on."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from core import times
from demo import accounts, attendance, products, school, students


def demo_seed() -> list[str]:
    """Create the demo data that is missing, without changing what is there; return what was done, in Chinese."""
    now = times.now()
    lines = [students.students_seed(now=now), school.school_seed(now=now)]
    lines += [attendance.attendance_seed(now=now), products.products_seed(now=now)]
    if settings.SANDBOX:
        from demo import orders, weather  # here, because they load the sandbox's models

        with _quietly():
            lines += [orders.orders_seed(now=now), weather.weather_seed(now=now)]
    return lines


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep the steps of each order out of the log: they would fill the first screen of ``make up``."""
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


@transaction.atomic
def demo_reset(*, clears_shop: bool = False) -> list[str]:
    """Put demo accounts, their passwords and the demo data back as they were; return what was done, in Chinese.

    :param clears_shop: take everything else in the shop off sale as well. Without it other data is not touched.
    :raises ImproperlyConfigured: demo data is off.
    """
    if not settings.DEMO_DATA:
        raise ImproperlyConfigured("DEMO_DATA is off: there are no demo accounts.")
    now = times.now()
    lines = [accounts.accounts_reset(), students.students_reset(now=now)]
    lines += [school.school_reset(now=now), attendance.attendance_reset(now=now)]
    if clears_shop:
        lines.append(products.shop_clear(now=now))
    lines.append(products.products_reset(now=now))
    if settings.SANDBOX:
        from demo import orders, weather  # here, because they load the sandbox's models

        lines += [orders.orders_reset(now=now), weather.weather_reset(now=now)]
    return lines
