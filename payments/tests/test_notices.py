"""Notifications over HTTP: the right ones once, every other one not at all, each answered as WeChat expects."""

import hashlib
import re
import time
from datetime import timedelta
from functools import partial

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from wechatpy.pay.utils import calculate_signature

from payments.listener import PaymentListener
from payments.models import InboundEvent, Payment, PaymentLog, PaymentStatus
from payments.selectors import events_to_do
from payments.services.notices import MAX_BODY, event_acknowledge, events_purge
from payments.services.refund import refund_run
from payments.tests.conftest import post_v2, post_v3, request
from payments.tests.fake_wechat import API_KEY, sign_v2, to_xml
from tests.kit import at_once, listener_replaced

pytestmark = pytest.mark.django_db

OK_XML = b"<xml><return_code><![CDATA[SUCCESS]]></return_code><return_msg><![CDATA[OK]]></return_msg></xml>"


def assert_refused_v2(answer, reason=""):
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/xml")
    text = answer.content.decode()
    assert text.startswith("<xml><return_code><![CDATA[FAIL]]></return_code><return_msg><![CDATA[")
    assert "SUCCESS" not in text  # some look for the word alone
    assert reason in text


def assert_refused_v3(answer, status=None, reason=""):
    assert 400 <= answer.status_code < 600
    assert status in (None, answer.status_code)
    assert answer.json()["code"] == "FAIL" and reason in answer.json()["message"]
    assert set(answer.json()) == {"code", "message"}


def assert_nothing_happened(shop):
    assert not Payment.objects.filter(state=PaymentStatus.PAID).exists()
    assert shop.paid == []


@pytest.fixture
def order(start, wechat):
    """An order that is paid over there, unknown to us so far."""
    payment = start()
    wechat.pay(payment.out_trade_no)
    return payment


class TestV2:
    @pytest.mark.parametrize("kind", ["MD5", "HMAC-SHA256"])
    def test_pays_the_order_and_is_acknowledged(self, order, shop, wechat, kind):
        answer = post_v2(wechat.notice_v2(order.out_trade_no, kind=kind))

        assert (answer.status_code, answer.content) == (200, OK_XML)
        order.refresh_from_db()
        assert order.state == PaymentStatus.PAID
        assert order.paid_at == wechat.orders[order.out_trade_no]["paid_at"].replace(microsecond=0)
        assert len(shop.paid) == 1
        event = InboundEvent.objects.get()
        assert (event.verdict, event.kind, event.out_trade_no) == ("accepted", "支付成功", order.out_trade_no)

    def test_a_repeat_is_acknowledged_and_changes_nothing_and_a_second_payment_is_refused(self, order, shop, wechat):
        for _ in range(3):
            assert post_v2(wechat.notice_v2(order.out_trade_no)).content == OK_XML
        assert post_v3(*wechat.notice_v3(order.out_trade_no)).status_code == 200

        assert_refused_v2(post_v2(wechat.notice_v2(order.out_trade_no, transaction_id="4200099999")), "不一致")

        assert len(shop.paid) == 1
        assert PaymentLog.objects.filter(event="支付成功").count() == 1
        assert InboundEvent.objects.filter(verdict="accepted").count() == 4
        assert PaymentLog.objects.filter(event="支付信息不一致").count() == 1

    @pytest.mark.parametrize(("changes", "reason"), [
        ({"appid": "wx0000000000000000"}, "appid"), ({"appid": None}, "appid"), ({"mch_id": "1900000109"}, "mch_id"),
        ({"total_fee": "1"}, "不一致"), ({"fee_type": "USD"}, "不一致"), ({"total_fee": "1234.0"}, "格式"),
        ({"total_fee": "-1234"}, "格式"), ({"total_fee": "１２３４"}, "格式"), ({"total_fee": None}, "格式"),
        ({"result_code": "FAIL"}, "result_code"), ({"trade_state": "REFUND"}, "trade_state"),
        ({"out_refund_no": "1R01"}, "不是支付通知"), ({"out_refund_no_0": "1R01"}, "不是支付通知"),
        ({"return_code": "FAIL"}, "return_code"), ({"return_code": None}, "return_code"),
        ({"transaction_id": None}, "格式"), ({"transaction_id": "4" * 33}, "格式"),
        ({"out_trade_no": "20261125101112000NOSUCH"}, "不存在"), ({"out_trade_no": None}, "格式"),
        ({"sign": "0" * 32}, "签名"), ({"sign": "0" * 64}, "签名"), ({"sign": ""}, "签名"), ({"key": "x" * 32}, "签名"),
    ])  # fmt: skip
    def test_what_does_not_fit_is_refused(self, order, shop, wechat, changes, reason):
        answer = post_v2(wechat.notice_v2(order.out_trade_no, **changes))

        assert_refused_v2(answer, reason)
        assert_nothing_happened(shop)

    @pytest.mark.parametrize(("raw", "reason"), [
        (b"", "格式"), (b"<xml></xml>", "return_code"), (b"<xml>", "格式"), (b"{}", "格式"), (b"\x00\xff", "格式"),
        (b"<xml><return_code>SUCCESS</return_code></xml>", "mch_id"), (b"<xml>" + b"<a>" * 3000, "格式"),
        (b'<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><xml><return_code>&b;</return_code></xml>', "格式"),
        (b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><xml><return_code>&a;</return_code></xml>', "格式"),
        (b"x" * (MAX_BODY + 1), "过大"),
    ])  # fmt: skip
    def test_what_is_no_notification_is_refused(self, shop, wechat, raw, reason):
        assert_refused_v2(post_v2(raw), reason)

    @pytest.mark.parametrize("changes", [
        {"cash_fee": "1000", "coupon_fee": "234", "coupon_count": "1"},
        {"time_end": "00010101000000"},  # Python cannot read it back
    ])  # fmt: skip
    def test_what_says_no_less_is_taken_under_any_spelling_of_the_path(self, order, wechat, changes):
        assert post_v2(wechat.notice_v2(order.out_trade_no, **changes), "/pay/payresult/").content == OK_XML

        order.refresh_from_db()
        assert order.is_paid and abs(order.paid_at - timezone.now()) < timedelta(minutes=5)
        assert Client().get("/pay/payResult").status_code == 405


class TestV3:
    @pytest.mark.parametrize("moment", [None, "0001-01-01T00:00:00+08:00", "9999-12-31T23:59:59-08:00"])
    def test_pays_the_order_and_is_acknowledged(self, order, shop, wechat, moment):
        """A time that Python cannot read back counts as none."""
        changes = {"success_time": moment} if moment else {}
        raw, headers = wechat.notice_v3(order.out_trade_no, changes=changes)

        answer = post_v3(raw, headers)

        assert (answer.status_code, answer.json()) == (200, {"code": "SUCCESS", "message": "成功"})
        order.refresh_from_db()
        assert order.is_paid and len(shop.paid) == 1
        assert abs(order.paid_at - timezone.now()) < timedelta(minutes=5)
        event = InboundEvent.objects.get()
        assert (event.verdict, event.channel) == ("accepted", "v3")
        assert event.headers["Wechatpay-Signature"] == headers["Wechatpay-Signature"]

    @pytest.mark.parametrize(("changes", "status"), [
        ({"appid": "wx0000000000000000"}, 400), ({"appid": None}, 400), ({"mchid": "1900000109"}, 400),
        ({"amount": {"total": 1, "currency": "CNY"}}, 400), ({"amount": {"total": 1234, "currency": "USD"}}, 400),
        ({"amount": {"total": "1234"}}, 400), ({"amount": {"total": 1234.0}}, 400), ({"amount": {"total": True}}, 400),
        ({"amount": {"payer_total": 1234}}, 400), ({"amount": None}, 400), ({"trade_state": "NOTPAY"}, 400),
        ({"trade_state": "REFUND"}, 400), ({"transaction_id": None}, 400), ({"transaction_id": "4" * 33}, 400),
        ({"transaction_id": 5}, 400), ({"out_trade_no": "20261125101112000NOSUCH"}, 404),
        ({"out_trade_no": ["x"]}, 400), ({"out_trade_no": "\x00"}, 400),
    ])  # fmt: skip
    def test_what_does_not_fit_is_refused(self, order, shop, wechat, changes, status):
        answer = post_v3(*wechat.notice_v3(order.out_trade_no, changes=changes))

        assert_refused_v3(answer, status)
        assert_nothing_happened(shop)

    def test_forged_stale_and_probes_are_refused(self, order, shop, wechat):
        notice, now = partial(wechat.notice_v3, order.out_trade_no), time.time()
        raw, headers = notice()
        signature = headers["Wechatpay-Signature"]
        changes = [
            {"Wechatpay-Signature": "WECHATPAY/SIGNTEST/" + signature}, {"Wechatpay-Signature": ""},
            {"Wechatpay-Signature": "WECHATPAY/SIGNTEST/abcd"}, {"Wechatpay-Signature": "签名"},
            {"Wechatpay-Nonce": "other"}, {"Wechatpay-Timestamp": "١٢٣"}, {"Wechatpay-Timestamp": "1e9"},
            {"Wechatpay-Signature-Type": "WECHATPAY2-SM2-WITH-SM3"},
        ]  # fmt: skip
        forged = [
            *((raw, headers | change, "") for change in changes),
            *((raw + b" ", headers, "签名"), (raw, {}, ""), (b"", {}, "")),
            (*notice(signer=wechat.keys.merchant), "签名"),
            *((*notice(at=now - 302), "过期"), (*notice(at=now + 302), "过期")),
            *((*notice(serial="PUB_KEY_ID_FORGED"), "序列号"), (*notice(serial="1234ABCD"), "序列号")),
        ]
        for body, sent, reason in forged:
            assert_refused_v3(post_v3(body, sent), 401, reason)
        assert_nothing_happened(shop)

    @pytest.mark.parametrize(
        "body",
        [b"{}", b"[]", b"null", b'{"event_type":1,"resource":[]}', b"[" * 5000, b"\xff", b'{"event_type":"x"}',
         b'{"event_type":"TRANSACTION.SUCCESS","resource":{"algorithm":"AEAD_AES_256_GCM","nonce":"1","ciphertext":"AA=="}}',
         b'{"event_type":"TRANSACTION.SUCCESS","resource":{"algorithm":"AEAD_AES_256_GCM","nonce":5,"ciphertext":7}}'],
    )  # fmt: skip
    def test_signed_nonsense_is_refused(self, shop, wechat, body):
        assert_refused_v3(post_v3(body, wechat.signed_headers(body)))


@pytest.mark.parametrize("broken", ["payments.services.notices.payment_confirm", "payments.models.InboundEvent.save"])
def test_our_own_fault_is_a_failure_so_that_wechat_comes_again(order, wechat, monkeypatch, broken):
    """The second one: there is no database."""

    def fail(*_, **__):
        raise RuntimeError("out of paper")

    monkeypatch.setattr(broken, fail)
    assert_refused_v2(post_v2(wechat.notice_v2(order.out_trade_no)), "处理失败")
    assert_refused_v3(post_v3(*wechat.notice_v3(order.out_trade_no)), 500)

    assert set(InboundEvent.objects.values_list("verdict", flat=True)) <= {"failed"}


def test_an_unconfigured_merchant_accepts_nothing(order, shop, wechat, settings):
    settings.WECHAT_PAY_API_KEY = settings.WECHAT_PAY_V3_KEY = ""
    settings.WECHAT_APP_ID = settings.WECHAT_PAY_MCH_ID = ""
    fields = {"return_code": "SUCCESS", "appid": "", "mch_id": "", "out_trade_no": order.out_trade_no}

    assert_refused_v2(post_v2(to_xml(fields | {"sign": sign_v2(fields, key="")}).encode()))
    assert_refused_v2(post_v2(to_xml(fields | {"req_info": "AA=="}).encode()))
    assert_refused_v3(post_v3(*wechat.notice_v3(order.out_trade_no)), 500)
    assert_nothing_happened(shop)


class TestRefundNotices:
    @pytest.fixture
    def refund(self, paid):
        return refund_run(refund_id=request(paid(), 1000).pk, now=timezone.now())

    def test_a_merchant_without_the_key_of_v2_takes_none_that_anybody_could_seal(self, refund, wechat, settings):
        settings.WECHAT_PAY_API_KEY = ""

        assert_refused_v2(post_v2(wechat.refund_notice_v2(refund.out_refund_no, key="")), "未配置")

        refund.refresh_from_db()
        assert refund.state != "success"

    @pytest.mark.parametrize(
        ("word", "old_word", "state"),
        [("SUCCESS", "SUCCESS", "success"), ("ABNORMAL", "CHANGE", "abnormal"), ("CLOSED", "REFUNDCLOSE", "closed")],
    )
    @pytest.mark.parametrize("is_v3", [True, False])
    def test_sets_the_refunds_state_and_tells_the_shop(self, refund, shop, wechat, word, old_word, state, is_v3):
        if is_v3:
            assert post_v3(*wechat.refund_notice_v3(refund.out_refund_no, word)).status_code == 200
        else:
            assert post_v2(wechat.refund_notice_v2(refund.out_refund_no, old_word)).content == OK_XML

        refund.refresh_from_db()
        assert (refund.state, refund.next_try_at) == (state, None)
        assert shop.refunds[-1] == (refund.out_refund_no, state)
        assert (refund.refunded_at is not None) is (state == "success")

    def test_repeats_and_late_news_change_nothing(self, refund, shop, wechat):
        for _ in range(2):
            post_v3(*wechat.refund_notice_v3(refund.out_refund_no))
        calls = list(shop.refunds)
        post_v3(*wechat.refund_notice_v3(refund.out_refund_no, "ABNORMAL"))

        refund.refresh_from_db()
        assert refund.state == "success" and shop.refunds == calls

    def test_what_does_not_fit_is_refused(self, refund, wechat):
        for changes in (
            {"amount": {"refund": 1, "total": 1234}}, {"amount": {"refund": 1000, "total": 1}}, {"amount": None},
            {"out_trade_no": "20261125101112000NOSUCH"}, {"out_refund_no": "20261125101112000R99"}, {"mchid": "1"},
            {"mchid": ""}, {"refund_status": "DONE"}, {"refund_status": None},
        ):  # fmt: skip
            assert_refused_v3(post_v3(*wechat.refund_notice_v3(refund.out_refund_no, changes=changes)))
        for changes in ({"refund_fee": "1"}, {"total_fee": "1"}):
            assert_refused_v2(post_v2(wechat.refund_notice_v2(refund.out_refund_no, **changes)), "不一致")
        for changes in ({"refund_fee": "x"}, {"key": "x" * 32}):
            assert_refused_v2(post_v2(wechat.refund_notice_v2(refund.out_refund_no, **changes)), "解密失败")
        raw = wechat.refund_notice_v2(refund.out_refund_no).decode()
        for name in ("appid", "mch_id"):
            assert_refused_v2(post_v2(re.sub(f"<{name}>.*?</{name}>", f"<{name}>other</{name}>", raw).encode()))

        refund.refresh_from_db()
        assert refund.state == "processing"


class TestJournal:
    def test_what_the_provider_did_send_is_kept_whole_though_refused(self, order, shop, wechat):
        number = order.out_trade_no
        notices = [
            (*wechat.notice_v3(number, changes={"amount": {"total": 1, "currency": "CNY"}}), "金额不一致"),
            (*wechat.notice_v3(number, changes={"trade_state": "NOTPAY"}), "trade_state"),
            (*wechat.notice_v3(number, changes={"attach": "a" * 2000, "out_trade_no": "NOSUCH" * 3}), "不存在"),
            (*wechat.seal("COUPON.USE", wechat.transaction(number)), "event_type"),
            (*wechat.seal("TRANSACTION.CLOSED", wechat.transaction(number)), "event_type"),
            (*wechat.seal("REFUND.SUCCESS", wechat.transaction(number)), "不完整"),
            (*wechat.notice_v3(number, key="x" * 32), "解密"),
        ]
        for raw, headers, reason in notices:
            assert_refused_v3(post_v3(raw, headers), reason=reason)

        assert_nothing_happened(shop)
        events = InboundEvent.objects.order_by("pk")
        assert [bytes(event.body) for event in events] == [raw for raw, _, _ in notices]
        assert all(event.is_genuine and event.verdict == "refused" for event in events)

    def test_what_nothing_proves_is_answered_counted_and_logged_and_not_kept(self, order, wechat, caplog):
        caplog.set_level("WARNING")
        labels = {"channel": "v2", "verdict": "refused", "kept": "False"}
        before = REGISTRY.get_sample_value("spms_notifications_total", labels) or 0

        assert_refused_v2(post_v2(wechat.notice_v2(order.out_trade_no, key="x" * 32)), "签名")

        assert REGISTRY.get_sample_value("spms_notifications_total", labels) - before == 1
        assert "notification not proven" in caplog.text and not InboundEvent.objects.exists()

    def test_they_are_kept_for_ninety_days_with_what_proves_them(self, order, wechat):
        junk = {"Authorization": "secret", "User-Agent": "u" * 5000}
        for days in (89, 91):
            post_v2(raw := wechat.notice_v2(order.out_trade_no), **junk)
            event = InboundEvent.objects.latest("pk")
            assert (bytes(event.body), event.body_size, event.is_genuine) == (raw, len(raw), True)
            assert event.body_sha256 == hashlib.sha256(raw).hexdigest()
            assert event.headers == {"Content-Type": "text/xml", "User-Agent": "u" * 700}
            InboundEvent.objects.filter(pk=event.pk).update(received_at=timezone.now() - timedelta(days=days))

        assert (events_purge(now=timezone.now()), InboundEvent.objects.count()) == (1, 1)

    def test_secrets_are_in_neither_journal_nor_log(self, order, start, wechat, caplog):
        caplog.set_level("DEBUG")
        start()
        calculate_signature({"a": "b"}, API_KEY)
        post_v2(wechat.notice_v2(order.out_trade_no))
        post_v3(*wechat.notice_v3(order.out_trade_no, key="x" * 32))

        for event in InboundEvent.objects.all():
            assert "k" * 16 not in f"{event.headers}{bytes(event.body)!r}{event.result}"
        assert "k" * 16 not in caplog.text and "v" * 16 not in caplog.text


def test_money_is_booked_without_valkey(order, shop, wechat, valkey_down):
    assert post_v2(wechat.notice_v2(order.out_trade_no)).content == OK_XML

    assert (InboundEvent.objects.get().verdict, len(shop.paid)) == ("accepted", 1)


@pytest.mark.django_db(transaction=True)
def test_many_at_once_for_a_payment_unknown_here_are_one_payment(shop, wechat):
    """There is no payment row to lock yet: the order's lock makes them wait for each other."""
    number = shop.order()
    wechat.orders[number] = {"total_fee": 1234, "state": "NOTPAY"}
    wechat.pay(number)

    assert at_once([lambda: post_v2(wechat.notice_v2(number)).content] * 10) == [OK_XML] * 10
    assert len(shop.paid) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_refund", [True, False])
def test_an_orders_lock_is_waited_for_less_long_than_wechat_waits_for_us(start, paid, shop, wechat, is_refund):
    """WeChat waits 5 s; PostgreSQL's own limit is 10."""
    limits = []

    def lock(*, out_trade_no):
        with connection.cursor() as cursor:
            cursor.execute("SHOW lock_timeout")
            limits.append(cursor.fetchone()[0])
        return shop.lock(out_trade_no=out_trade_no)

    if is_refund:
        refund = refund_run(refund_id=request(paid(), 1000).pk, now=timezone.now())
        send = partial(post_v3, *wechat.refund_notice_v3(refund.out_refund_no))
    else:
        wechat.pay(number := start().out_trade_no)
        send = partial(post_v2, wechat.notice_v2(number))

    with listener_replaced(PaymentListener(lock, shop.on_paid, shop.on_refund_changed)):
        assert "SUCCESS" in send().content.decode()
    assert set(limits) == {"3s"}


# --- Whatever arrives: only what the provider signed for this order pays it, and nothing breaks ---
names = st.sampled_from(
    ["appid", "mchid", "out_trade_no", "trade_state", "transaction_id", "amount", "success_time", "trade_type"]
)
text = st.text(st.characters(max_codepoint=0xD7FF), max_size=40)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False) | text,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(text, inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=st.dictionaries(names, json_values, max_size=3))
def test_what_wechat_signs_pays_only_what_fits(order, shop, wechat, changes):
    shop.paid.clear()  # examples share a transaction
    PaymentLog.objects.all().delete()
    Payment.objects.all().delete()
    genuine = wechat.transaction(order.out_trade_no)
    facts = genuine | changes

    answer = post_v3(*wechat.seal("TRANSACTION.SUCCESS", facts))

    if answer.status_code == 200:
        assert all(facts[name] == genuine[name] for name in ("appid", "mchid", "out_trade_no", "trade_state"))
        assert facts["amount"]["total"] == 1234
    else:
        assert_refused_v3(answer)
        assert_nothing_happened(shop)
        assert changes
    assert not InboundEvent.objects.filter(verdict="failed").exists()


class TestWhatWaitsForStaff:
    def take(self, verdict, *, kind="支付成功", number="A", body="1", genuine=True):
        return InboundEvent.objects.create(
            channel="v2",
            received_at=timezone.now(),
            verdict=verdict,
            kind=kind,
            out_trade_no=number,
            body_sha256=body,
            is_genuine=genuine,
        )

    def waiting(self):
        return list(events_to_do(now=timezone.now()))

    def test_ten_tries_of_one_wrong_notification_are_one(self):
        for at in range(10):
            newest = self.take("refused", body=str(at))  # v3 encrypts each try anew
        other = self.take("refused", number="B")

        assert self.waiting() == [other, newest]
        event_acknowledge(event_id=newest.pk, actor="li", now=timezone.now())
        assert self.waiting() == [other]

    def test_a_try_that_succeeds_ends_those_before_it_and_a_forged_one_hides_none(self):
        self.take("failed")
        self.take("accepted")
        assert self.waiting() == []

        failure = self.take("failed", number="B")
        unfit = self.take("refused", kind="", number="")
        self.take("refused", kind="", number="", genuine=False)  # its copy, sent by somebody later: nothing is read
        assert self.waiting() == [unfit, failure]

    def test_two_refunds_of_an_order_are_two(self):
        first = self.take("failed", kind="已退款", body="1")
        self.take("failed", kind="已退款", body="2")
        second = self.take("failed", kind="已退款", body="2")
        self.take("accepted", kind="已退款", body="3")

        assert self.waiting() == [second, first]
