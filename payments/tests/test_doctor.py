"""What the doctor says of a merchant's values, before money says it."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives import serialization
from django.utils import timezone

from core.models import Restoration
from payments.doctor import bills, key_files, merchant_certificate, money_waits, wechat_pay
from payments.models import BillRun, Difference, ListenerFailure, Payment, Refund
from payments.tests.fake_wechat import certificate


def provider_findings():
    return [(finding.ok, finding.what) for finding in wechat_pay()]


@pytest.mark.parametrize(("name", "value", "row", "says"), [
    ("WECHAT_PAY_API_KEY", "x" * 32, 0, "SIGN_ERROR"), ("WECHAT_PAY_API_KEY", "", 0, "WECHAT_PAY_API_KEY"),
    ("WECHAT_PAY_CERT_SERIAL", "0000", 1, "SIGN_ERROR"), ("WECHAT_PAY_V3_KEY", "", 1, "没有配"),
    ("WECHAT_PAY_PUBLIC_KEY_ID", "PUB_KEY_ID_OTHER", 1, "ProviderUntrusted"),
    ("PUBLIC_BASE_URL", "http://127.0.0.1:8000", 2, "pay/payResult"),
])  # fmt: skip
def test_a_bad_value_is_named(wechat, settings, name, value, row, says):
    settings.SANDBOX, settings.PUBLIC_BASE_URL = False, "https://api.example.com"
    assert [ok for ok, _ in provider_findings()] == [True, True, True] and wechat.orders == {}
    setattr(settings, name, value)

    rows = provider_findings()

    assert rows[row][0] is False and says in rows[row][1]


@pytest.mark.parametrize(("days_later", "ok"), [(0, True), (8.5, False)])
def test_platform_certificates_that_are_not_renewed_are_named(wechat, settings, tmp_path, monkeypatch, days_later, ok):
    settings.WECHAT_PAY_PUBLIC_KEY_ID = settings.WECHAT_PAY_PUBLIC_KEY_FILE = ""
    settings.WECHAT_PAY_CERT_DIR, wechat.use_certificate = str(tmp_path / "certs"), True
    now = timezone.now() + timedelta(days=days_later)
    monkeypatch.setattr("payments.doctor.times", SimpleNamespace(now=lambda: now))  # not that of the signatures

    (certificates,) = [(is_ok, what) for is_ok, what in provider_findings() if "平台证书" in what]

    assert certificates == (ok, f"微信支付的平台证书还有 {9 - days_later:.1f} 天到期")


@pytest.mark.django_db
def test_differences_and_days_that_were_not_compared_are_named(wechat):
    today = timezone.localdate()
    facts = {"mch_id": "19", "ran_at": timezone.now()}
    for days, state in ((5, "failed"), (4, "done"), (1, "waiting")):
        BillRun.objects.create(day=today - timedelta(days=days), state=state, last_error="digest", **facts)
    assert [finding.what for finding in bills()] == [f"{today - timedelta(days=5)} 的账单（商户 19）对不了：digest"]

    past = Restoration.objects.create(written_at=timezone.now() - timedelta(days=9), restored_at=timezone.now())
    (what, _) = [finding.what for finding in bills()]
    assert "天的账单没有对" in what
    past.delete()

    Difference.objects.create(
        mch_id="19", day=today, kind="stray_money", out_trade_no="1", bill_fen=1, found_at=timezone.now()
    )

    assert [(finding.ok, finding.what) for finding in money_waits()] == [(False, "对账差异：1 条")]


@pytest.mark.parametrize(("days", "serial", "ok"), [
    (31, None, [True]), (30, None, [False]), (-2, None, [False]), (900, 77, [False, True]),
])  # fmt: skip
def test_the_merchants_certificate_ends_or_is_another_than_that_of_the_serial(
    wechat, settings, tmp_path, days, serial, ok
):
    ours = certificate(wechat.keys.merchant, days, serial or int(settings.WECHAT_PAY_CERT_SERIAL, 16))
    (tmp_path / "apiclient_cert.pem").write_bytes(ours.public_bytes(serialization.Encoding.PEM))
    settings.WECHAT_PAY_CERT_FILE, settings.SANDBOX = str(tmp_path / "apiclient_cert.pem"), False

    findings = list(merchant_certificate())

    assert [finding.ok for finding in findings] == ok and f"还有 {days} 天到期" in findings[-1].what


@pytest.mark.parametrize(("mode", "oks"), [(0o644, [None]), (0o640, [])])
def test_a_private_key_that_everybody_can_read_is_remarked(settings, tmp_path, mode, oks):
    key = tmp_path / "apiclient_key.pem"
    key.touch()
    key.chmod(mode)
    settings.DEPLOYED, settings.WECHAT_PAY_PRIVATE_KEY_FILE = True, str(key)

    assert [finding.ok for finding in key_files()] == oks


@pytest.mark.django_db
def test_money_that_moves_no_further_is_counted_with_its_page(settings, wechat):
    now = timezone.now()
    facts = {"amount_fen": 1, "time_start": now, "created_at": now}
    late = Payment.objects.create(
        out_trade_no="1" * 20, time_expire=now - timedelta(hours=2), next_check_at=now, state="open", **facts
    )
    Payment.objects.create(out_trade_no="2" * 20, time_expire=now, next_check_at=now, state="open", **facts)
    for at, state in enumerate(["failed", "abnormal", "closed", "success", "processing"]):
        Refund.objects.create(payment=late, out_refund_no=f"R{at}", amount_fen=1, state=state, created_at=now)
    ListenerFailure.objects.create(out_trade_no="1" * 20, failed_at=now, error="x")

    assert [(finding.number, finding.link) for finding in money_waits()] == [
        (3, "/admin/payments/refund/"),
        (1, "/admin/payments/payment/"),
        (1, "/admin/payments/payment/"),
    ]
    for settings.DEMO_DATA, oks in ((False, [False] * 3), (True, [None, False, False])):  # they show one that failed
        assert [finding.ok for finding in money_waits()] == oks
