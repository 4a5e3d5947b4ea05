"""The back office: money is to be seen, never typed; a button does what a service does."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from payments.models import InboundEvent, Payment, Refund
from payments.services import refund_request

pytestmark = pytest.mark.django_db
MODELS = ["payment", "refund", "inboundevent"]


@pytest.fixture
def rows(paid, wechat):
    """One payment, one refund, one event."""
    payment = paid()
    refund = refund_request(
        out_trade_no=payment.out_trade_no, amount_fen=100, reason="破损", requested_by="王", now=timezone.now()
    )
    Client().post("/pay/payResult", wechat.notice_v2(payment.out_trade_no), content_type="text/xml")
    return {"payment": payment, "refund": refund, "inboundevent": InboundEvent.objects.get()}


def page(name, kind="change", row=None):
    return reverse(f"admin:payments_{name}_{kind}", args=[row.pk] if row else [])


@pytest.mark.parametrize("name", MODELS)
def test_shows_lists_and_rows_in_chinese(office, rows, name):
    listing = office.get(page(name, "changelist"))
    detail = office.get(page(name, row=rows[name]))

    assert (listing.status_code, detail.status_code) == (200, 200)
    number = rows["payment"].out_trade_no
    assert number in listing.content.decode() and number in detail.content.decode()
    assert {"payment": "12.34", "refund": "1.00", "inboundevent": "&lt;return_code&gt;"}[
        name
    ] in detail.content.decode()


@pytest.mark.parametrize("name", MODELS)
def test_nothing_can_be_typed_added_or_deleted(office, rows, name):
    row = rows[name]
    before = type(row).objects.filter(pk=row.pk).values().get()

    office.post(page(name, row=row), {"state": "closed", "amount_fen": "1", "verdict": "accepted", "_save": "1"})

    assert type(row).objects.filter(pk=row.pk).values().get() == before
    assert office.get(page(name, "add")).status_code == 403
    assert office.post(page(name, "delete", row), {"post": "yes"}).status_code == 403
    shown = office.get(page(name, row=row)).content.decode()
    assert 'name="_save"' not in shown and 'name="state"' not in shown and 'name="amount_fen"' not in shown


def test_query_now_settles(office, start, wechat):
    payment = start()
    wechat.pay(payment.out_trade_no)

    said = office.post(page("payment", row=payment), {"step_query_now": "1"}, follow=True).content.decode()

    assert "微信侧 SUCCESS" in said
    assert Payment.objects.get().is_paid


def test_an_error_is_told_and_changes_nothing(office, start, wechat):
    payment = start()
    wechat.faults = [("query", "down")]

    said = office.post(page("payment", row=payment), {"step_query_now": "1"}, follow=True).content.decode()

    assert "微信支付暂时不可用" in said


def test_a_failed_refund_is_retried_from_the_list(office, rows):
    Refund.objects.update(state="failed", next_try_at=None)

    chosen = {"action": "retry", "_selected_action": [rows["refund"].pk]}
    asked = office.post(page("refund", "changelist"), chosen).content.decode()
    assert "1 笔退款，共 1.00元" in asked and Refund.objects.get().state == "failed"

    office.post(page("refund", "changelist"), chosen | {"sure": "1"})

    assert Refund.objects.get().state == "pending"
    assert rows["refund"].logs.filter(event="重试退款", actor="root").exists()
    office.post(page("refund", row=rows["refund"]), {"step_run_now": "1"})
    assert Refund.objects.get().state == "processing"


def test_an_event_is_replayed(office, rows, shop):
    said = office.post(page("inboundevent", row=rows["inboundevent"]), {"step_replay": "1"}, follow=True)

    assert "已受理" in said.content.decode()
    assert InboundEvent.objects.get().replays == 1
    assert len(shop.paid) == 1


def test_who_may_not_does_not(person, rows):
    staff = person("zhao", "200", is_staff=True)
    client = Client()
    client.force_login(staff.user, backend="accounts.backends.RoleBackend")

    for name in MODELS:
        assert client.get(page(name, "changelist")).status_code == 403
        assert client.post(page(name, row=rows[name]), {"step_replay": "1", "step_run_now": "1"}).status_code == 403
    assert InboundEvent.objects.get().replays == 0


def test_of_an_event_that_was_cut_the_page_says_so_and_offers_no_replay(office, shop):
    body = b"<xml>" + b"x" * 5000
    office.post("/pay/payResult", body, content_type="text/xml")
    event = InboundEvent.objects.get()

    shown = office.get(page("inboundevent", row=event)).content.decode()
    pressed = office.post(page("inboundevent", row=event), {"step_replay": "1"}, follow=True)

    assert "全文 5005 字节，以下是前 1024 字节" in shown and "step_replay" not in shown
    assert "不能重新处理" in pressed.content.decode()
    event.refresh_from_db()
    assert event.replays == 0


def test_the_list_of_events_leaves_the_bodies_in_the_database(office, rows, django_assert_max_num_queries):
    for _ in range(5):
        Client().post("/pay/payResult", b"<xml/>", content_type="text/xml")

    with django_assert_max_num_queries(9) as queries:
        office.get(page("inboundevent", "changelist"))

    assert not any('"payments_inboundevent"."body"' in query["sql"] for query in queries.captured_queries)
