"""Send text messages with Alibaba Cloud's own client library (``SendSms``, version 2017-05-25)."""

import json
from functools import cache, partial
from typing import Any
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.utils.crypto import salted_hmac

from accounts.errors import SmsNotSent
from core.http import OutgoingError, ServerFailed, run_within
from core.upstreams import Upstream

log = structlog.get_logger("accounts.sms")

CONNECT_TIMEOUT_MS, READ_TIMEOUT_MS = 3000, 5000
TOTAL_TIMEOUT_S = 6
BUSY = "isv.BUSINESS_LIMIT_CONTROL"  # the provider's own limit for one number
UPSTREAM = Upstream("sms")


def asker_tag(unid: str) -> str:
    """Return what names in a message's ``OutId`` the account that asked for it; "" for nobody."""
    return salted_hmac("accounts.sms", unid, algorithm="sha256").hexdigest()[:32] if unid else ""


def sms_send(*, phone: str, template: str, values: dict[str, str], asker: str) -> None:
    """Send a message to ``phone`` (11 digits).

    :param template: the provider's number of the text; ``values`` fill its blanks.
    :param asker: the number (``unid``) of the account whose token asked for it, "" without one.
    :raises SmsNotSent: the provider refused, or did not answer within 6 s; ``msg`` says what the person can do.
    """
    _library()
    call = partial(_send, phone, template, values, asker_tag(asker))
    with UPSTREAM.room(SmsNotSent):
        try:
            result = run_within(UPSTREAM, TOTAL_TIMEOUT_S, call, target="SendSms")
        except OutgoingError as error:
            log.warning("no answer from the text message provider", reason=str(error))
            raise SmsNotSent from None
        except Exception as error:
            # The library raises many kinds of errors. Their texts contain the URL with phone number and code, so log
            # the kind only.
            log.warning("text message not sent", reason=type(error).__name__)
            raise SmsNotSent from None
    if result.get("Code") != "OK":
        log.error("the provider refuses a text message", code=str(result.get("Code"))[:64])
        raise SmsNotSent("该手机号的短信发送过于频繁,请稍后再试" if result.get("Code") == BUSY else None)


@cache
def _library() -> tuple[Any, Any, Any, Any]:
    """Import the provider's client library and return its classes.

    The import takes half a second and 20 MB, which most processes never need. On a busy machine it took 3 s, so call
    this before the 6 s for a message begin.
    """
    from alibabacloud_dysmsapi20170525.client import Client
    from alibabacloud_dysmsapi20170525.models import SendSmsRequest
    from alibabacloud_tea_openapi.utils_models import Config
    from darabonba.runtime import RuntimeOptions

    class ClientOfPath(Client):
        """A client whose server may be below a path, as the sandbox is.

        The library supports only a host, and signs the path.
        """

        def call_api(self, params: Any, request: Any, runtime: Any) -> Any:
            params.pathname = urlsplit(settings.SMS_BASE_URL).path + params.pathname
            return super().call_api(params, request, runtime)

    return ClientOfPath, SendSmsRequest, Config, RuntimeOptions


def _send(phone: str, template: str, values: dict[str, str], out_id: str, _ends_at: float) -> dict[str, Any]:
    client_class, message_class, config_class, options_class = _library()
    server = urlsplit(settings.SMS_BASE_URL)
    client = client_class(
        config_class(
            access_key_id=settings.SMS_ACCESS_KEY_ID,
            access_key_secret=settings.SMS_ACCESS_KEY_SECRET,
            endpoint=server.netloc,
            protocol=server.scheme,
        )
    )
    message = message_class(
        phone_numbers=phone,
        sign_name=settings.SMS_SIGN_NAME,
        template_code=template,
        template_param=json.dumps(values),
        out_id=out_id,
    )
    # No automatic retry: the first message may have been sent, and a second one costs money again.
    options = options_class(connect_timeout=CONNECT_TIMEOUT_MS, read_timeout=READ_TIMEOUT_MS, autoretry=False)
    try:
        return client.send_sms_with_options(message, options).body.to_map()
    except Exception as error:
        if getattr(error, "statusCode", 500) < 500:
            raise
        raise ServerFailed(type(error).__name__) from None
