"""The table of the order's states, held against the contract and against its own picture."""

import re
from pathlib import Path

import pytest
from django.db import IntegrityError, transaction

from shop.errors import OrderRefused
from shop.models import Order
from shop.order_states import STATUSES, TABLE, Event, State, Stock, refusal
from shop.services.order_move import require
from shop.tests.factories import make_order

OVER = {State.CANCELLED, State.CLOSED, State.INVALID, State.REFUNDED}
PAIRS = [(state, event) for state in State for event in Event]


def test_everything_else_is_refused_in_chinese_and_with_the_reason():
    for state, event in [pair for pair in PAIRS if pair not in TABLE]:
        with pytest.raises(OrderRefused, match=r"[一-鿿]{4}") as error:
            require(state, event)
        assert (error.value.status, error.value.msg) == (1004, refusal(state, event))


def test_every_state_has_its_numbers_and_can_be_reached_and_whatever_is_paid_stays_paid():
    assert set(STATUSES) == set(State) == {State.OPEN} | {step.to for step in TABLE.values()}
    for (state, _), step in TABLE.items():
        assert STATUSES[step.to].pay_status >= STATUSES[state].pay_status


def test_stock_comes_back_only_where_the_goods_never_left():
    moves = {stock: {state for (state, _), step in TABLE.items() if step.stock is stock} for stock in Stock}

    assert moves[Stock.GIVE_BACK] == {State.OPEN, State.PAID, State.PREPARING}
    assert moves[Stock.TAKE_AGAIN] == OVER - {State.REFUNDED}


def test_nothing_but_late_money_and_hiding_happens_to_an_order_that_is_over():
    assert {event for (state, event) in TABLE if state in OVER} == {Event.HIDE, Event.PAY, Event.PAY_TOO_LATE}


def test_the_picture_in_the_docs_shows_the_table():
    page = Path(__file__).resolve().parents[2].joinpath("docs/shop.md").read_text("utf-8")
    drawn = set(re.findall(r"^\s*(\w+) --> (\w+): (\S+)$", page, re.M))

    expected = {(state.value, step.to.value, event.label) for (state, event), step in TABLE.items() if state != step.to}
    assert drawn == expected


@pytest.mark.django_db
@pytest.mark.parametrize(
    "wrong",
    [
        {"pay_status": 1},
        {"order_status": 2},
        {"state": "paid", "pay_status": 1},  # still due for the sweep
        {"state": "paid", "pay_status": 1, "sweep_at": None, "holds_stock": False},
        {"total": 0},
    ],
)
def test_the_database_refuses_what_the_table_never_writes(yuangong, wrong):
    order = make_order(yuangong.user)

    with pytest.raises(IntegrityError), transaction.atomic():
        Order.objects.filter(pk=order.pk).update(**wrong)
