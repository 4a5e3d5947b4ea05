"""Text messages, sent through Alibaba Cloud (``SendSms``, version 2017-05-25) by its own client library."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any
from urllib.parse import urlsplit

import structlog
from django.conf import settings

from accounts.errors import SmsNotSent
from core.http import OutgoingError, ServerFailed, UpstreamRefused, run_within
from core.upstreams import Upstream

log = structlog.get_logger("accounts.sms")

CONNECT_TIMEOUT_MS, READ_TIMEOUT_MS = 3000, 5000
TOTAL_TIMEOUT_S = 6
BUSY = "isv.BUSINESS_LIMIT_CONTROL"  # the provider's own limit for one number
UPSTREAM = Upstream("sms")


@contextmanager
def sms_room() -> Iterator[None]:
    """Have room to send a message: whoever has none should not have spent a turn on it.

    :raises SmsNotSent: too many wait for the provider already, or it is dead.
    """
    try:
        with UPSTREAM.room():
            yield
    except UpstreamRefused as refused:
        raise SmsNotSent(headers=refused.answer()["headers"]) from None


def sms_send(*, phone: str, code: str) -> None:
    """Have the provider send ``code`` to ``phone`` (11 digits).

    :raises SmsNotSent: it refuses, or gives no usable answer within 6 s; ``msg`` says what a person can do.
    """
    _library()
    try:
        answer = run_within(UPSTREAM, TOTAL_TIMEOUT_S, partial(_send, phone, code))
    except UpstreamRefused as refused:
        raise SmsNotSent(headers=refused.answer()["headers"]) from None
    except OutgoingError as error:
        log.warning("no answer from the text message provider", reason=str(error))
        raise SmsNotSent from None
    except Exception as error:
        # The library raises many kinds. Their texts hold the address with number and code: name the kind alone.
        log.warning("text message not sent", reason=type(error).__name__)
        raise SmsNotSent from None
    if answer.get("Code") != "OK":
        log.error("the provider refuses a text message", code=str(answer.get("Code"))[:64])
        raise SmsNotSent("该手机号的短信发送过于频繁,请稍后再试" if answer.get("Code") == BUSY else None)


@cache
def _library() -> tuple[Any, Any, Any, Any]:
    """Load the provider's client library: half a second and 20 MB that most processes never need.

    Call it before the time of a message runs: the first import on a busy machine took 3 s of its 6.
    """
    from alibabacloud_dysmsapi20170525.client import Client
    from alibabacloud_dysmsapi20170525.models import SendSmsRequest
    from alibabacloud_tea_openapi.utils_models import Config
    from darabonba.runtime import RuntimeOptions

    class ClientOfPath(Client):  # type: ignore[misc]
        """The library knows hosts only; the sandbox stands below a path, which is part of what is signed."""

        def call_api(self, params: Any, request: Any, runtime: Any) -> Any:
            params.pathname = urlsplit(settings.SMS_BASE_URL).path + params.pathname
            return super().call_api(params, request, runtime)

    return ClientOfPath, SendSmsRequest, Config, RuntimeOptions


def _send(phone: str, code: str, _ends_at: float) -> dict[str, Any]:
    client_class, message_class, config_class, options_class = _library()
    where = urlsplit(settings.SMS_BASE_URL)
    client = client_class(
        config_class(
            access_key_id=settings.SMS_ACCESS_KEY_ID,
            access_key_secret=settings.SMS_ACCESS_KEY_SECRET,
            endpoint=where.netloc,
            protocol=where.scheme,
        )
    )
    message = message_class(
        phone_numbers=phone,
        sign_name=settings.SMS_SIGN_NAME,
        template_code=settings.SMS_TEMPLATE_CODE,
        template_param=json.dumps({"code": code}),
    )
    # A message that is sent twice costs twice: never again by itself.
    options = options_class(connect_timeout=CONNECT_TIMEOUT_MS, read_timeout=READ_TIMEOUT_MS, autoretry=False)
    try:
        return client.send_sms_with_options(message, options).body.to_map()
    except Exception as error:
        if getattr(error, "statusCode", 500) < 500:
            raise
        raise ServerFailed(type(error).__name__) from None
