"""The log of an order keeps codes: a label may be reworded, and rows of the last release have only labels."""

import pytest
from django.core.management import call_command
from django.utils import timezone

from shop.admin.order_display import last_step, order_page
from shop.admin.order_list import orders_loaded
from shop.models import Order, OrderLog
from shop.order_states import Event, Note, State
from shop.services.order_edit import order_correct, order_remark
from shop.services.order_step import can_be_undone
from shop.tests.factories import click, make_order, page_of, ship

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture(params=["reworded", "last release"])
def rewritten(request):
    """Write the log as it is after other labels were chosen since, or as the last release writes it."""

    def rewrite():
        facts = {"event": "以前的说法"} if request.param == "reworded" else {"code": ""}
        OrderLog.objects.update(**facts)

    return rewrite


def test_codes_and_labels_are_each_once():
    assert len({*Event.values, *Note.values}) == len({*Event.labels, *Note.labels}) == len(Event) + len(Note)


def test_what_was_shipped_can_be_undone_and_is_exported(paid, office, rewritten):
    now = timezone.now()  # of this test: a shipment can be undone for ten minutes
    order = ship(paid(phone="13800000001"), now=now, express_no="SF1")
    order_remark(order_id=order.order_id, text="易碎", actor="root", now=now)
    rewritten()

    assert can_be_undone(order, Event.UNSHIP, now) and not can_be_undone(order, Event.UNRECEIVE, now)
    assert [one.shipped_at for one in orders_loaded(Order.objects.all())] == [now]
    page = office.get(page_of(order)).content.decode()
    assert "以前的说法" not in page and "发货" in page and "内部备注" in page
    assert "发货" in click(office, order, "unship")[-1] and Order.objects.get().state == State.PAID


@pytest.mark.parametrize("code", ["shipment_told", ""])
def test_a_text_message_of_the_last_release_is_no_step(paid, code):
    order = ship(paid(), now=NOW)
    OrderLog.objects.create(order=order, at=NOW, actor="系统", code=code, event="短信通知发货", to_state=order.state)

    assert "发货" in last_step(order) and "短信" not in last_step(order)
    assert can_be_undone(order, Event.UNSHIP, NOW)


def test_a_return_stands_in_the_work_list_and_above_the_page(returned, office, rewritten):
    order = returned("屏幕碎了")
    rewritten()

    (row,) = office.get("/admin/shop/order/", {"work": "returns"}).context["cl"].result_list
    asked = order_page(row)["asked"]
    assert (row.pk, asked.at, asked.detail) == (order.pk, order.logs.latest("pk").at, "屏幕碎了")


def test_the_phone_that_was_changed_stays_masked(paid, clerk, rewritten):
    order = paid(phone="13812340140")
    order_correct(order_id=order.order_id, note=Note.RECEIVER, phone="", actor="root", now=NOW)
    rewritten()

    page = clerk("view").get(page_of(order)).content.decode()

    assert "138****0140" in page and "13812340140" not in page


def test_rows_of_the_last_release_get_their_codes_afterwards(paid, li):
    ship(paid())
    OrderLog.objects.create(order=make_order(li.user), at=NOW, actor="root", event="别的", to_state="open")
    before = list(OrderLog.objects.order_by("pk").values_list("code", flat=True))
    OrderLog.objects.update(code="")

    call_command("fill_new_columns")

    assert list(OrderLog.objects.order_by("pk").values_list("code", flat=True)) == before
    assert before == ["placed", "payment_started", "pay", "ship", "placed", ""]
