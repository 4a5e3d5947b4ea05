"""Buyers are told by text message of their parcel and of their money, once, and only where a template is set."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.errors import SmsNotSent
from accounts.models import User
from shop.order_states import Event
from shop.services import buyer_notices
from shop.services.buyer_notices import buyers_tell
from shop.services.order_refund import order_refund, order_return
from shop.services.order_ship import order_set_parcel, order_undo
from shop.tests.factories import page_of, run_refunds, ship
from tests.kit import at_once, meet_at

pytestmark = pytest.mark.django_db
NOW = timezone.now()
SOON, DUE = NOW + timedelta(minutes=10), NOW + timedelta(minutes=11)
SF = {"express_company": "顺丰速运", "express_no": "SF1"}


@pytest.fixture
def sent(monkeypatch, settings):
    """The messages that went out: (number, template, values)."""
    settings.SMS_SHIPPED_TEMPLATE_CODE, settings.SMS_REFUNDED_TEMPLATE_CODE = "SMS_S", "SMS_R"
    messages = []
    send = lambda phone, template, values, asker: messages.append((phone, template, values))  # noqa: E731
    monkeypatch.setattr(buyer_notices, "sms_send", send)
    return messages


def shipped(order, now=NOW, **parcel):
    return ship(order, now=now, **(parcel or SF))


def test_a_parcel_is_told_once_after_it_can_be_taken_back_no_more(office, paid, sent):
    order = shipped(paid(phone="13800000001"))
    order_set_parcel(order_id=order.order_id, express_company="圆通速递", express_no="YT2", actor="root", now=NOW)

    buyers_tell(now=SOON)
    assert sent == []
    for _ in range(2):
        buyers_tell(now=DUE)

    values = {"order": order.order_id, "courier": "圆通速递", "number": "YT2", "link": "快递公司的官网"}
    assert sent == [("13800000001", "SMS_S", values)]
    assert "短信通知发货" in office.get(page_of(order)).content.decode()


def test_of_a_parcel_that_was_taken_back_and_sent_again_the_second_is_told(paid, sent):
    order = shipped(paid(phone="13800000001"))
    order_undo(order_id=order.order_id, event=Event.UNSHIP, actor="root", now=NOW)
    shipped(order, now=NOW + timedelta(minutes=5), express_company="顺丰速运", express_no="SF2")

    buyers_tell(now=DUE)
    assert sent == []
    for minutes in (5, 6):
        buyers_tell(now=DUE + timedelta(minutes=minutes))
    assert [values["number"] for _, _, values in sent] == ["SF2"]


def test_undone_foreign_returned_and_late_orders_are_not_told(paid, sent, settings, django_assert_num_queries):
    undone, other, handed = (shipped(paid(phone="13800000001"), **parcel) for parcel in (SF, SF, {"express_no": ""}))
    order_undo(order_id=undone.order_id, event=Event.UNSHIP, actor="root", now=NOW)
    type(other).objects.filter(pk=other.pk).update(phone="+49 30 123456")
    comes_back = shipped(paid(phone="13800000001"))
    order_return(order_id=comes_back.order_id, buyer_pk=comes_back.user_id, actor="li", now=NOW)
    with django_assert_num_queries(2):  # an order without a number to write to is not even locked
        buyers_tell(now=DUE)
    late = shipped(paid(phone="13800000001"))

    buyers_tell(now=NOW + timedelta(days=2))
    settings.SMS_SHIPPED_TEMPLATE_CODE = ""
    buyers_tell(now=DUE)
    assert sent == []

    settings.SMS_SHIPPED_TEMPLATE_CODE = "SMS_S"
    buyers_tell(now=DUE)
    assert [values["order"] for _, _, values in sent] == [late.order_id]
    assert sent[0][2]["link"].endswith("/SF1")


def test_money_that_is_back_is_told_once(paid, sent, django_assert_num_queries):
    order = paid()
    User.objects.filter(pk=order.user_id).update(phone="13800000001")  # the order has none
    order_refund(order_id=order.order_id, actor="root", now=NOW, reason="")
    buyers_tell(now=timezone.now())
    assert sent == []

    run_refunds()
    buyers_tell(now=timezone.now())
    with django_assert_num_queries(2):
        buyers_tell(now=timezone.now())

    assert sent == [("13800000001", "SMS_R", {"order": order.order_id, "amount": "9.90"})]


def test_a_failure_stands_on_the_order_and_is_not_repeated(paid, sent, monkeypatch):
    def refuse(**_):
        sent.append("tried")
        raise SmsNotSent

    monkeypatch.setattr(buyer_notices, "sms_send", refuse)
    order = shipped(paid(phone="13800000001"))

    for _ in range(2):
        buyers_tell(now=DUE)

    assert sent == ["tried"] and order.logs.latest("pk").event == "短信没有发出"


@pytest.mark.django_db(transaction=True)
def test_two_workers_send_one_message(paid, sent, monkeypatch):
    shipped(paid(phone="13800000001"))
    meet_at(monkeypatch, "shop.services.buyer_notices.order_note")
    at_once([lambda: buyers_tell(now=DUE)] * 2)

    assert len(sent) == 1


def test_the_sandbox_shows_both_texts(sent, settings, live_server, api):
    settings.SMS_BASE_URL = f"{live_server.url}/sandbox/aliyun-sms"
    from accounts.sms import sms_send

    values = {"order": "1", "courier": "顺丰速运", "number": "SF1", "link": "https://sf.example", "amount": "9.90"}
    for template in ("SMS_S", "SMS_R"):
        sms_send(phone="13800000001", template=template, values=values, asker="")

    texts = [message["text"] for message in api.http.get("/sandbox/sms/messages/").json()]
    assert "退款9.90元" in texts[0] and "SF1" in texts[1]
