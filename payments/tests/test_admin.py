"""The back office: money is to be seen, never typed; a button does what a service does, for those with the right."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.urls import reverse

from backoffice.tests.conftest import stock  # noqa: F401  (a fixture)
from core.admin.buttons import ButtonsAdmin
from payments.models import InboundEvent, Payment, Refund
from payments.tests.conftest import post_v2, request
from tests.kit import logged_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def rows(paid, wechat):
    """One payment, one refund, one event."""
    payment = paid()
    refund = request(payment, 100)
    post_v2(wechat.notice_v2(payment.out_trade_no))
    return {"payment": payment, "refund": refund, "inboundevent": InboundEvent.objects.get()}


def page(name, kind="change", row=None):
    return reverse(f"admin:payments_{name}_{kind}", args=[row.pk] if row else [])


@pytest.mark.parametrize(
    ("name", "shown"), [("payment", "12.34"), ("refund", "1.00"), ("inboundevent", "&lt;return_code&gt;")]
)
def test_rows_are_shown_and_can_be_neither_typed_nor_added_nor_deleted(office, rows, name, shown):
    row, number = rows[name], rows["payment"].out_trade_no
    before = type(row).objects.filter(pk=row.pk).values().get()

    office.post(page(name, row=row), {"state": "closed", "amount_fen": "1", "verdict": "accepted", "_save": "1"})

    assert type(row).objects.filter(pk=row.pk).values().get() == before
    assert office.get(page(name, "add")).status_code == 403
    assert office.post(page(name, "delete", row), {"post": "yes"}).status_code == 403
    detail = office.get(page(name, row=row)).content.decode()
    assert number in office.get(page(name, "changelist")).content.decode() and number in detail and shown in detail
    assert 'name="_save"' not in detail and 'name="state"' not in detail and 'name="amount_fen"' not in detail


def test_query_now_settles_or_tells_the_error(office, start, wechat):
    payment = start()
    wechat.pay(payment.out_trade_no)
    wechat.faults = [("query", "down")]

    for text in ("微信支付暂时不可用", "微信侧 SUCCESS"):
        notice = office.post(page("payment", row=payment), {"step_query_now": "1"}, follow=True).content.decode()
        assert text in notice

    assert Payment.objects.get().is_paid


def test_a_failed_refund_is_retried_from_the_list(office, rows):
    Refund.objects.update(state="failed", next_try_at=None, amount_fen=123450)

    form = {"action": "retry", "_selected_action": [rows["refund"].pk]}
    text = office.post(page("refund", "changelist"), form).content.decode()
    assert "1 笔退款，共 1,234.50元" in text and Refund.objects.get().state == "failed"

    Refund.objects.update(amount_fen=100)  # as much as was paid
    office.post(page("refund", "changelist"), form | {"sure": "1"})

    assert Refund.objects.get().state == "pending"
    assert rows["refund"].logs.filter(event="重试退款", actor="root").exists()
    office.post(page("refund", row=rows["refund"]), {"step_run_now": "1"})
    assert Refund.objects.get().state == "processing"


def test_a_reader_presses_no_button(person, roles, stock):  # noqa: F811
    looking = Permission.objects.filter(codename__startswith="view_")
    roles["200"].permissions.set([*looking, *Permission.objects.filter(codename__startswith="export_")])
    browser = logged_in(person("clerk", "200", is_staff=True).user)
    pages = [page for page in admin.site._registry.values() if isinstance(page, ButtonsAdmin)]
    assert len(pages) > 5

    for page in pages:
        row = page.model._default_manager.first()
        address = f"/admin/{page.opts.app_label}/{page.opts.model_name}/"
        for name in [button.name for button in page.buttons]:
            assert browser.post(address, {"press": f"{name}:1", "sure": "1"}).status_code == 403, (address, name)
            if row:
                answer = browser.post(f"{address}{row.pk}/change/", {f"step_{name}": "1", "sure": "1"})
                assert answer.status_code == 403, (address, name)


def test_a_refund_is_a_link_for_a_role_that_may_open_it(office, person, roles, stock):  # noqa: F811
    roles["200"].permissions.set([Permission.objects.get(codename="view_payment")])
    clerk = logged_in(person("clerk", "200", is_staff=True).user)
    refund = stock["refund"]

    shown, closed = (
        browser.get(f"/admin/payments/payment/{refund.payment_id}/change/").content.decode()
        for browser in (office, clerk)
    )

    assert f'href="/admin/payments/refund/{refund.pk}/change/">{refund}</a>' in shown
    assert str(refund) in closed and "/admin/payments/refund/" not in closed
