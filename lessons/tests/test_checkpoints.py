"""Each checkpoint with the calls that prove it, and with calls that do not."""

from datetime import UTC, datetime

import pytest

from lessons.checkpoints import CHECKPOINTS, checkpoint_row, checkpoints_proved
from lessons.tests.test_signs import LIST, TWINS, burst, busy, call, login, page, poll, post, refresh, refused, search

NOW = datetime.fromtimestamp(1100, UTC)


PROOFS = {
    "login": [login(0)],
    "captcha": [post(0, "/users/login", "onv")],
    "list": [call(0)],
    "paging": [page(0, 1), page(1, 2)],
    "search": [search(0, "王")],
    "debounce": [search(0, "王小")],
    "add": [post(0, "/students/addstu")],
    "edit": [post(0, "/students/updatestu")],
    "delete": [call(0, "/students/delstu", "oc")],
    "upload": [post(0, "/upload/uploadImg")],
    "menu": [call(0, "/permission/getMenuList")],
    "scan": [call(0, "/users/wechatLogin", "on")],
    "cart": [post(0, "/cart/add_to_cart")],
    "order": [post(0)],
    "pay": [poll(0, "of")],
    "poll_stop": [poll(0), poll(2, "of")],
    "return": [post(0, "/order/returns")],
    "token_end": [refused(0), refresh(1)],
    "refresh": [refresh(0)],
    "retry": [busy(0, retry_s=5), call(5.018)],
    "idempotent": [post(0, facts="ock")],
    "signin": [post(0, "/attendance/sign")],
}
NO_PROOFS = {
    "login": [refresh(0)],
    "captcha": [login(0)],
    "list": [call(0, facts="d"), call(1, guess="g")],
    "paging": [page(0, 1), page(1, 1), call(2, query=["page"], values=["p3"])],
    "search": [call(0, "/students/searchstu")],
    "debounce": [search(0, "王"), search(0.4, "王小"), search(0.8, "王小明"), search(99, "李四")],
    "poll_stop": [  # polled on, paid at the first poll, and paid just now
        *(poll(0), poll(2, "of"), poll(4, "of")),
        *(poll(20, "of", digest="b"), poll(95, digest="c"), poll(97, "of", digest="c")),
    ],
    "pay": [poll(0, "df")],
    "token_end": [*(refused(at) for at in range(4)), refused(4, guess="g"), login(5)],
    "retry": [busy(0, retry_s=5), call(3), call(6)],
    "idempotent": [post(0)],
}


@pytest.mark.parametrize(("name", "calls"), PROOFS.items())
def test_it_is_reached_by_what_the_account_did(name, calls):
    assert checkpoints_proved(calls, now=NOW)[name] == calls


def test_a_login_after_twelve_at_once_is_soon_enough():
    assert checkpoints_proved([*burst(), login(9)], now=NOW)["token_end"] == [burst()[0], login(9)]


def test_polls_of_a_page_in_strict_mode_stop_as_well():
    polls = [poll(0), poll(0.1), poll(3, "of")]

    assert "poll_stop" not in checkpoints_proved(polls, now=NOW)
    assert checkpoints_proved([*TWINS, *polls], now=NOW)["poll_stop"] == [polls[0], polls[2]]


@pytest.mark.parametrize(("name", "calls"), NO_PROOFS.items())
def test_it_is_not_reached_by_less(name, calls):
    assert name not in checkpoints_proved(calls, now=NOW)


def test_each_has_a_proof_and_says_what_is_missing():
    assert PROOFS.keys() == CHECKPOINTS.keys()
    assert all(checkpoint_row(name, None)["missing"] for name in CHECKPOINTS)
    assert LIST in {one.path for one in checkpoints_proved([call(0)], now=NOW)["list"]}
