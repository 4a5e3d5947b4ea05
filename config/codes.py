"""The page /docs/codes/: all refusals, from the error classes and the calls' documentation, and all limits."""

import re
from datetime import timedelta
from functools import cache
from typing import Any

from django.conf import settings

from accounts.captcha import LIFETIME_S as CAPTCHA_LIFETIME_S
from accounts.services import login, phones, sms_codes
from accounts.services.scan_login import LOGINS_A_MINUTE
from core import errors
from core.api import bodies, once
from core.api.routing import endpoints
from core.audit import MAX_ENTRIES
from core.errors import DomainError
from core.times import span
from payments.services.start import MIN_LIFE
from shop.api.orders import QUERIES_A_MINUTE
from shop.services import order_create
from uploads import fields, formats
from uploads.services import ORPHAN_AFTER
from weather.services import QUERY_WINDOW_S

Rows = list[tuple[DomainError, list[str]]]
"""Refusals, each with the paths of the calls that answer it."""


@cache
def groups() -> dict[str, Rows]:
    """Return, by title, first the refusals of every call, then those of each module's own calls."""
    access = (errors.LoginRequired(), errors.TokenInvalid(), errors.NotPermitted())
    transport = (
        *(errors.BadParameter(), errors.Unreadable(), errors.UnknownAddress(), errors.WrongMethod()),
        *(errors.BodyTooLarge(), errors.UnsupportedFormat(), errors.Throttled(1), errors.InternalError("")),
        *(errors.UpstreamDown(), errors.ServiceUnavailable(), errors.KeyInvalid(), errors.KeyReused()),
    )
    of_every_call: dict[str, Rows] = {
        "身份与权限(HTTP 200,看 body.code)": [(error, []) for error in access],
        "传输与参数(每个接口都可能遇到)": [(error, []) for error in transport],
    }
    return of_every_call | _by_tag()


def _by_tag() -> dict[str, Rows]:
    tags: dict[str, dict[tuple[int, str], tuple[DomainError, list[str]]]] = {}
    for call in endpoints():
        for error in call.docs.refusals if call.docs else ():
            _, paths = tags.setdefault(call.tag, {}).setdefault((error.status, error.msg), (error, []))
            paths.append(re.sub(r"<\w+:(\w+)>", r":\1", call.path))
    return {tag: list(rows.values()) for tag, rows in tags.items()}


def limits() -> dict[str, Any]:
    """Return what ``templates/front/limits.html`` takes its figures from: each stands where it is enforced."""
    spans = {
        "token": settings.JWT_LIFETIME,
        "order": settings.ORDER_TTL,
        "order_latest": settings.ORDER_TTL + MIN_LIFE,
        "order_pause": order_create.PAUSE,
        "kept_answer": once.KEPT_FOR,
        "captcha": timedelta(seconds=CAPTCHA_LIFETIME_S),
        "sms": sms_codes.LIFETIME,
        "wechat_qr": settings.WECHAT_QR_TTL,
        "unused_picture": ORPHAN_AFTER,
        "weather": timedelta(seconds=QUERY_WINDOW_S),
    }
    return {
        "settings": settings,
        "spans": {name: span(length) for name, length in spans.items()},
        "body": {"kb": bodies.BODY_LIMIT // bodies.KIB, "values": bodies.MAX_VALUES},
        "form_mb": bodies.FILE_LIMIT // bodies.MIB,
        "order": order_create,
        "cancelled": settings.ORDERS_EXPIRED_MAX // order_create.FREE + 1,
        "keys_a_day": once.KEYS_A_DAY,
        "sms": sms_codes,
        "sms_number": {name: limit for name, limit, _ in sms_codes.PER_NUMBER},
        "sms_address": {name: limit for name, limit, _ in sms_codes.PER_ADDRESS},
        "phones": phones,
        "login": login,
        "wechat_logins": LOGINS_A_MINUTE,
        "uploads": fields,
        "upload_s": fields.MAX_PROCESSOR_MS_PER_MINUTE // 1000,
        "picture": {"mb": formats.MAX_BYTES // bodies.MIB, "pixels": formats.MAX_PIXELS // 10_000},
        "changes": {name: limit for name, (limit, _) in MAX_ENTRIES.items()},
        "order_queries": QUERIES_A_MINUTE,
    }
