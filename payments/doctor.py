"""The checks of ``manage.py doctor`` for payments: merchants, keys, waiting money, the address for notifications."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog
from cryptography.x509 import load_pem_x509_certificate
from django.conf import settings

from core import times
from core.findings import Finding
from payments.difference_alerts import bills, waits
from payments.gateways.base import GatewayError, OrderUnknown
from payments.gateways.wechat import gateway_v2, gateway_v3, merchant, merchants
from payments.gateways.wechat.merchant import Merchant
from payments.models import ListenerFailure
from payments.selectors import (
    events_to_do,
    merchants_waiting,
    payments_left_open,
    refunds_stuck,
)

log = structlog.get_logger("payments")
RENEW_WITHIN_DAYS = 30
# The checks ask about this number, which no order has. WeChat Pay says so only if the signature is right.
NOBODYS_NUMBER = "00000000000000000000000DOCTOR"


def warn_without_refunds() -> None:
    """Log at the start of each process that refunds are not configured though payments are."""
    if settings.WECHAT_PAY_MCH_ID and not merchant().has_v3:
        log.warning("refunds are not possible: returns are refused until the WECHAT_PAY_* values of v3 are set")


def wechat_pay() -> Iterator[Finding]:
    for who in merchants():
        name, remedy = "", "Check WECHAT_APP_ID and the WECHAT_PAY_* values with their files."
        if who != merchant():
            name = f" of former merchant {who.mch_id}"
            remedy = "Check the file of this merchant in WECHAT_PAY_FORMER_MERCHANTS."
        yield _ask(f"WeChat Pay v2{name}", gateway_v2, who, remedy)
        if who.has_v3:
            yield (v3 := _ask(f"WeChat Pay v3{name}", gateway_v3, who, remedy))
            if v3.ok and not gateway_v3(who).keys.public_key_id:
                yield _platform_certificates(who)
        elif not name:
            what = "WeChat Pay v3 is not configured: returns are refused, refunds wait"
            yield Finding(False, what, "Set the WECHAT_PAY_* values of v3.")
    yield _reachable()


def former_payments() -> Iterator[Finding]:
    """Find payments and refunds that cannot be asked about, because we have no keys of their merchant."""
    numbers = {who.mch_id for who in merchants()}
    for mch_id, number in merchants_waiting().items():
        if mch_id and mch_id not in numbers:
            yield Finding(
                False,
                f"{number} payments or refunds wait for merchant {mch_id}, whose keys are not there",
                "Put its values into a file and name that in WECHAT_PAY_FORMER_MERCHANTS.",
            )


def money_waits() -> Iterator[Finding]:
    """Report money that moves no further by itself."""
    untold, now = ListenerFailure.objects.count(), times.now()
    # The demo data show staff a refund that failed: no alarm where there are any.
    ok = None if settings.DEMO_DATA else False
    yield from waits(refunds_stuck(), "refunds have failed", "退款失败或退不到账", "refund", ok)
    yield from waits(untold, "payments or refunds have not reached their orders", "款项没有记到订单上", "payment")
    late = payments_left_open(now=now)
    yield from waits(late, "payments stay open an hour after their end", "支付单过期一小时仍未关闭", "payment")
    failures = events_to_do(now=now).count()
    yield from waits(failures, "payment notifications have failed", "支付通知处理失败", "inboundevent")


def merchant_certificate() -> Iterator[Finding]:
    """Check how long WeChat takes our signatures: the certificate, of which only the serial is needed, ends."""
    if not merchant().has_v3 or settings.SANDBOX:
        return
    if not settings.WECHAT_PAY_CERT_FILE:
        remedy = "Set WECHAT_PAY_CERT_FILE to its apiclient_cert.pem, and the doctor looks at the day."
        yield Finding(None, "When the merchant's certificate ends is not known", remedy)
        return
    certificate = load_pem_x509_certificate(Path(settings.WECHAT_PAY_CERT_FILE).read_bytes())
    if certificate.serial_number != int(merchant().cert_serial, 16):
        what = "WECHAT_PAY_CERT_FILE is not the certificate of WECHAT_PAY_CERT_SERIAL"
        yield Finding(False, what, "Both must be of the certificate whose key we sign with.")
    days = (certificate.not_valid_after_utc - times.now()).days
    remedy = "" if days > RENEW_WITHIN_DAYS else "Ask for a new one: pay.weixin.qq.com, 账户中心, API安全."
    what = f"The certificate of merchant {merchant().mch_id} ends in {days} days"
    yield Finding(not remedy, what, remedy, f"微信商户的 API 证书还有 {days} 天到期")


def _ask(name: str, gateway: Callable[[Merchant], Any], who: Merchant, remedy: str) -> Finding:
    try:
        gateway(who).query(NOBODYS_NUMBER)
    except OrderUnknown:
        return Finding(True, f"{name} takes our signature, and we take its")
    except GatewayError as error:
        return Finding(False, f"{name}: {type(error).__name__} {error.code} {error.message}", remedy)
    return Finding(False, f"{name} knows an order that was never placed", "Is WECHAT_PAY_BASE_URL right?")


def _platform_certificates(who: Merchant) -> Finding:
    # WeChat offers the next one days ahead and the worker fetches it twice a day, so one day before it must be here.
    keys = gateway_v3(who).keys.platform_keys()
    rest = keys[-1].ends_at - times.now() if keys else timedelta()
    what = f"WeChat Pay's platform certificates end in {rest / timedelta(days=1):.1f} days"
    if rest > timedelta(days=1):
        return Finding(True, what)
    return Finding(False, what, "Is the worker running, may it write to WECHAT_PAY_CERT_DIR?")


def _reachable() -> Finding:
    ours = urlsplit(settings.PUBLIC_BASE_URL)
    where = f"Notifications are to come to {settings.PUBLIC_BASE_URL}/pay/payResult and /pay/notify"
    if settings.SANDBOX:
        return Finding(None, where)
    if ours.scheme != "https" or ours.hostname in {"127.0.0.1", "localhost", "::1"}:
        return Finding(False, where, "WeChat needs a public https address in PUBLIC_BASE_URL.")
    return Finding(True, where)


CHECKS = (wechat_pay, former_payments, bills, money_waits, merchant_certificate)
