"""Create the demo data, and put it back as it was. Nothing here runs unless DEMO_DATA is on."""

import logging
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.models import QuerySet

from accounts.demo_users import DEMO_USERS
from accounts.models import User
from attendance.models import Session
from core import times
from demo.products import PRODUCT_IDS, products_reset, shop_clear
from demo.school import attendance_reset, school_reset, students_reset
from dormitory.models import Room
from permissions.models import Role
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


# --- The demo accounts ---
def accounts_reset() -> str:
    """Set the demo accounts back to their initial state and end their tokens."""
    roles = {role.roleid: role for role in Role.objects.all()}
    for demo in DEMO_USERS:
        user = User.objects.select_for_update(no_key=True).filter(username=demo.username).first()
        user = user or User(username=demo.username)
        for name in ("phone", "headimgurl", "sex", "city", "province", "country"):
            setattr(user, name, "")
        user.nickname, user.role, user.is_staff, user.is_active = demo.nickname, roles[demo.roleid], demo.is_staff, True
        user.vip_level, user.vip_expires_at, user.is_phone_bound = 0, None, False
        user.set_password(demo.password)
        user.save()
    return f"恢复账号 {len(DEMO_USERS)} 个"
