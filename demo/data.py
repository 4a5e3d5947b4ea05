"""Create the demo data, and put it back as it was. Nothing here runs unless DEMO_DATA is on."""

import logging
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.models import QuerySet

from attendance.models import Session
from core import times
from demo.accounts import accounts_reset
from demo.attendance import attendance_reset
from demo.products import PRODUCT_IDS, products_reset, shop_clear
from demo.school import school_reset
from demo.students import students_reset
from dormitory.models import Room
from shop.models import Order, Product
from students.models import Student
from weather.models import WeatherRecord

Part = tuple[QuerySet[Any], Callable[..., str]]  # the rows that show that it is here, and how it is put back


def demo_seed() -> list[str]:
    """Create the demo data where nothing is yet, without changing what is there; return what was done, in Chinese."""
    now = times.now()
    logging.disable(logging.INFO)  # the steps of each order would fill the first screen of ``make up``
    try:
        return [
            f"已有{rows.model._meta.verbose_name}，保持不变" if rows.exists() else reset(now=now)
            for rows, reset in _parts()
        ]
    finally:
        logging.disable(logging.NOTSET)


def _parts() -> list[Part]:
    parts: list[Part] = [
        (Student.objects.all(), students_reset),
        (Room.objects.all(), school_reset),
        (Session.objects.all(), attendance_reset),
        (Product.objects.filter(product_id__in=PRODUCT_IDS), products_reset),
    ]
    if settings.SANDBOX:
        from demo import orders, weather  # here, because they load the sandbox's models

        parts += [(Order.objects.all(), orders.orders_reset), (WeatherRecord.objects.all(), weather.weather_reset)]
    return parts


@transaction.atomic
def demo_reset(*, clears_shop: bool = False) -> list[str]:
    """Put demo accounts, their passwords and the demo data back as they were; return what was done, in Chinese.

    :param clears_shop: take everything else in the shop off sale as well. Without it other data is not touched.
    :raises ImproperlyConfigured: demo data is off.
    """
    if not settings.DEMO_DATA:
        raise ImproperlyConfigured("DEMO_DATA is off: there are no demo accounts.")
    now = times.now()
    lines = [accounts_reset(), *([shop_clear(now=now)] if clears_shop else [])]
    return lines + [reset(now=now) for _, reset in _parts()]
