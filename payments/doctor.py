"""The checks of ``manage.py doctor`` for payments: merchants, keys, bills, waiting money, the notifications' address.

What they find becomes an alert to the engineer. Staff see the same on the first page and in the lists.
"""

import os
import stat
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.x509 import load_pem_x509_certificate
from django.conf import settings

from core import times
from core.findings import Finding
from core.models import Restoration
from core.times import format_office_time
from payments.errors import GatewayError, OrderUnknown
from payments.gateways.wechat import gateway_v2, gateway_v3, merchant, merchants
from payments.gateways.wechat.merchant import Merchant
from payments.selectors import (
    bills_failed,
    differences_open,
    events_to_do,
    merchants_waiting,
    orders_untold,
    payments_left_open,
    refunds_stuck,
)
from payments.services.bills import bill_days_missing

RENEW_WITHIN_DAYS = 30
USED_IF = ("WECHAT_PAY_MCH_ID", "WECHAT_PAY_API_KEY", "WECHAT_PAY_V3_KEY", "WECHAT_PAY_FORMER_MERCHANTS")
# The checks ask about this number, which no order has. WeChat Pay says so only if the signature is right.
NOBODYS_NUMBER = "00000000000000000000000DOCTOR"


def is_used() -> bool:
    """Tell whether anything of WeChat Pay is configured."""
    return any(getattr(settings, name) for name in USED_IF)


def wechat_pay() -> Iterator[Finding]:
    if not is_used():
        yield Finding("wechat pay", None, "没有配微信支付：不能在线付款", "要用就填 WECHAT_PAY_*（docs/payments.md）。")
        return
    for who in merchants():
        name, remedy = "", "检查 WECHAT_APP_ID、WECHAT_PAY_* 的值和其中的文件。"
        if who != merchant():
            name, remedy = f"（原商户 {who.mch_id}）", "检查 WECHAT_PAY_FORMER_MERCHANTS 里这个商户的文件。"
        yield _ask(f"微信支付 v2{name}", gateway_v2, who, remedy)
        if who.has_v3:
            yield (v3 := _ask(f"微信支付 v3{name}", gateway_v3, who, remedy))
            if v3.ok and not gateway_v3(who).keys.public_key_id:
                yield _platform_certificates(who)
        elif not name:
            what = "没有配微信支付 v3：不能退货，退款都在等"
            yield Finding("wechat pay v3", False, what, "填 v3 的 WECHAT_PAY_*。")
    yield _reachable()


def former_payments() -> Iterator[Finding]:
    """Find payments and refunds that cannot be asked about, because we have no keys of their merchant."""
    for mch_id in merchants_waiting() - {"", *(who.mch_id for who in merchants())}:
        what = f"有支付或退款在等商户 {mch_id}，但没有它的密钥"
        do = "把它的值写进一个文件，填到 WECHAT_PAY_FORMER_MERCHANTS。"
        yield Finding(f"merchant {mch_id}", False, what, do)


def bills() -> Iterator[Finding]:
    """Report days whose bill was not compared."""
    past, missing = Restoration.objects.first(), bill_days_missing(merchant().mch_id, now=times.now())
    if past and missing and merchant().has_v3:
        restored_at, written_at = format_office_time(past.restored_at), format_office_time(past.written_at)
        what = f"{restored_at} 恢复到了 {written_at}：还有 {len(missing)} 天的账单没有对"
        yield Finding("bills after a restore", None, what)
    for run in bills_failed(older_than=times.now() - timedelta(days=1)):
        what = f"{run.day} 的账单（商户 {run.mch_id}）对不了：{run.last_error}"
        yield Finding(f"bill {run.mch_id} {run.day}", False, what, "后台：对账记录，重新核对。", _page("billrun"))


def money_waits() -> Iterator[Finding]:
    """Report what waits for staff, with the page that lists it."""
    now = times.now()
    for key, number, what, page in (
        ("refunds stuck", refunds_stuck(), "退款失败或退不到账", "refund"),
        ("orders not told", orders_untold().count(), "款项没有记到订单上", "payment"),
        ("payments open", payments_left_open(now=now), "支付单过期一小时仍未关闭", "payment"),
        ("notifications failed", events_to_do(now=now).count(), "支付通知处理失败", "inboundevent"),
        ("differences", differences_open().count(), "对账差异", "difference"),
    ):
        # The demo data show staff a refund that failed: no alarm where there are any.
        ok = None if key == "refunds stuck" and settings.DEMO_DATA else False
        if number:
            yield Finding(key, ok, f"{what}：{number} 条", f"后台：{_page(page)}", _page(page), number)


def _page(model: str) -> str:
    return f"/admin/payments/{model}/"


def merchant_certificate() -> Iterator[Finding]:
    """Check how long WeChat takes our signatures: the certificate, of which only the serial is needed, ends."""
    if not merchant().has_v3 or settings.SANDBOX:
        return
    if not settings.WECHAT_PAY_CERT_FILE:
        do = "把 WECHAT_PAY_CERT_FILE 设为它的 apiclient_cert.pem。"
        yield Finding("merchant certificate", None, "不知道商户证书哪一天到期", do)
        return
    certificate = load_pem_x509_certificate(Path(settings.WECHAT_PAY_CERT_FILE).read_bytes())
    if certificate.serial_number != int(merchant().cert_serial, 16):
        what = "WECHAT_PAY_CERT_FILE 与 WECHAT_PAY_CERT_SERIAL 不是同一张证书"
        yield Finding("merchant certificate serial", False, what, "两者都要是我们用来签名的那张证书。")
    days = (certificate.not_valid_after_utc - times.now()).days
    what, do = f"商户 {merchant().mch_id} 的证书还有 {days} 天到期", "申请新的：pay.weixin.qq.com，账户中心，API安全。"
    yield Finding("merchant certificate", days > RENEW_WITHIN_DAYS, what, do)


def key_files() -> Iterator[Finding]:
    """Report private keys that every user of the machine can read: whoever has one can refund to himself."""
    for path in {Path(who.private_key_file) for who in merchants() if who.private_key_file}:
        if settings.DEPLOYED and path.is_file() and path.stat().st_mode & stat.S_IROTH:
            do = f"chgrp {os.getegid()} {path}; chmod 640 {path}"
            yield Finding(f"key file {path}", None, f"这台机器上的所有用户都能读商户的私钥 {path}", do)


def _ask(name: str, gateway: Callable[[Merchant], Any], who: Merchant, remedy: str) -> Finding:
    key = f"{gateway.__name__} {who.mch_id}"
    try:
        gateway(who).query(NOBODYS_NUMBER)
    except OrderUnknown:
        return Finding(key, True, f"{name}：双方的签名都被接受")
    except GatewayError as error:
        return Finding(key, False, f"{name}：{type(error).__name__} {error}", remedy)
    return Finding(key, False, f"{name}：认得一个从来没有下过的订单", "WECHAT_PAY_BASE_URL 对吗？")


def _platform_certificates(who: Merchant) -> Finding:
    # WeChat offers the next one days ahead and the worker fetches it twice a day, so one day before it must be here.
    certificates = gateway_v3(who).keys.certificates()
    rest = certificates[-1].not_valid_after_utc - times.now() if certificates else timedelta()
    what = f"微信支付的平台证书还有 {rest / timedelta(days=1):.1f} 天到期"
    do = "worker 在运行吗？它能写 WECHAT_PAY_CERT_DIR 吗？"
    return Finding(f"platform certificates {who.mch_id}", rest > timedelta(days=1), what, do)


def _reachable() -> Finding:
    ours = urlsplit(settings.PUBLIC_BASE_URL)
    key, where = "notifications", f"支付通知的地址是 {settings.PUBLIC_BASE_URL}/pay/payResult 和 /pay/notify"
    if settings.SANDBOX:
        return Finding(key, None, where)
    if ours.scheme != "https" or ours.hostname in {"127.0.0.1", "localhost", "::1"}:
        return Finding(key, False, where, "微信要一个公网的 https 地址：PUBLIC_BASE_URL。")
    return Finding(key, True, where)


CHECKS = (wechat_pay, former_payments, bills, money_waits, merchant_certificate, key_files)
