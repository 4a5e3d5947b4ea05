"""Each sign with the calls that show it, and with near misses, which are not blamed."""

import pytest

from lessons.calls import Call, key_digest
from lessons.signs import SIGNS, signs_of

LIST, SEARCH, POLL = "/students/getstulist", "/students/searchstu", "/order/query_order_status"


def call(time, path=LIST, facts="od", **fields):
    defaults = {"method": "GET", "query": [], "http": 200, "status": 200, "code": "", "ms": 20, "size": 9}
    defaults |= {"token": "t", "hint": "", "msg": "", "digest": "d"}
    return Call(**defaults | {"time": 1000 + time, "path": path, "facts": facts} | fields)


def search(time, key):
    return call(time, SEARCH, query=["key"], values=[key], digest=key, key=key_digest(key))


def post(time, path="/pay/pre_order", facts="oc", **fields):
    return call(time, path, facts, method="POST", **fields)


def student(time, number, **fields):
    return call(time, "/order/get_order", query=["order_id"], values=[number], digest=number, **fields)


def page(time, number, **fields):
    return call(time, query=["page", "count"], values=[f"p{number}", "c"], **fields)


def poll(time, facts="d", **fields):
    return call(time, POLL, facts, **fields)


def refused(time, code="1004", **fields):
    return call(time, facts="", code=code, **fields)


def login(time):
    return post(time, "/users/login", "on")


def refresh(time, facts="on", code="", digest="r"):
    return post(time, "/users/refresh", facts, code=code, digest=digest)


def busy(time, **fields):
    return call(time, facts="s", http=503, **fields)


def wrong(time, guess=""):
    return call(time, "/api/students", "u", http=404, guess=guess)


# Twelve calls at once over the six connections of a browser, as a busy server saw them: begin and length in ms.
BURST = [(0, 17), (1, 5), (1, 11), (1, 22), (5, 4), (6, 5), (36, 18), (41, 1), (41, 8), (49, 5), (53, 6), (69, 4)]


def burst(time=0, slower=1):
    return [refused(time + at * slower / 1000, ms=ms * slower) for at, ms in BURST]


# A page in React's StrictMode, which is loaded three times.
TWINS = [call(-99 + page * 9 + at, digest="twin") for page in range(3) for at in (0, 0.1)]


SINS = {
    "no_debounce": [search(at * 0.4, "王小明明"[: at + 1]) for at in range(4)],
    "no_paging": [call(0, facts="odl")],
    "double_submit": [post(0), post(0.3), post(0.5)],
    "n_plus_one": [student(at * 0.1, f"{at}") for at in range(5)],
    "ended_token": [refused(at) for at in range(5)],
    "retry_storm": [busy(0, retry_s=5), call(2)],
    "poll_after_end": [poll(0), poll(2, "df"), poll(4), poll(6)],
    "poll_too_fast": [poll(0), poll(0.2), poll(0.4)],
    "heavy_upload": [post(0, "/upload/uploadImg", "ocp")],
    "wrong_path": [wrong(0), wrong(10), wrong(50)],
}
OTHER_SINS = [
    ("no_debounce", [search(at * 0.2, "王小明明天"[: at + 1]) for at in range(5)]),
    ("n_plus_one", [search(at * 0.1, name) for at, name in enumerate("王李张刘陈")]),
    ("n_plus_one", [post(at * 0.1, "/order/get_order", "od", values=[f"{at}"]) for at in range(5)]),
    ("ended_token", [refresh(0), refresh(9, "", "1004")]),
    ("ended_token", [refused(at / 50, ms=15) for at in range(5)]),
    ("ended_token", [*(refused(at / 30, ms=15, digest=f"{at}") for at in range(5))]),
    ("retry_storm", [busy(0), *(call(0.1 + at / 2) for at in range(5))]),
    ("retry_storm", [call(0, facts="", http=429, retry_s=9, digest="a"), call(3, digest="a")]),
    ("n_plus_one", [page(at * 0.01, at) for at in range(7)]),
    ("poll_after_end", [poll(0), poll(2, "of"), poll(4, "of")]),
    ("wrong_path", [wrong(0, "g"), wrong(1, "g"), wrong(2)]),
]
NEAR_MISSES = {
    "three letters": [search(at * 0.4, "王小明"[: at + 1]) for at in range(3)],
    "four letters in three seconds": [search(at, "王小明明"[: at + 1]) for at in range(4)],
    "four other names": [search(at * 0.1, name) for at, name in enumerate("王李张刘")],
    "one name again": [search(at * 0.4, "王小") for at in range(5)],
    "three letters, the first one twice": [
        search(at * 0.4, key) for at, key in enumerate(("王", "王", "王小", "王小明"))
    ],
    "letters that go": [search(at * 0.4, "王小明明"[: 4 - at]) for at in range(4)],
    "slow typing, debounced": [search(-9, "李雷"), *(search(at * 0.4, "王小明明"[: at + 1]) for at in range(4))],
    "two orders": [post(0, digest="a"), post(1, digest="b")],
    "shopped twice": [post(0, "/cart/add_to_cart"), post(0.5, "/cart/check"), post(1.5, "/cart/add_to_cart")],
    "chosen twice, while orders are refused": [post(0, "/cart/check"), post(0.8, facts=""), post(1, "/cart/check")],
    "a payment begun twice, by StrictMode": [post(0, "/pay/payment"), post(0.01, "/pay/payment")],
    "a second order, later": [post(0), post(2.1)],
    "nothing is known of what was sent": [post(0, digest=""), post(1, digest="")],
    "one was refused": [post(0), post(1, facts="")],
    "the second answered from a key": [post(0), post(1, facts="ok")],
    "two readings by POST": [post(0, "/order/get_order", "od"), post(0.5, "/order/get_order", "od")],
    "four of one path": [student(at * 0.1, f"{at}") for at in range(4)],
    "five in two seconds": [student(at * 0.5, f"{at}") for at in range(5)],
    "five equal ones": [student(at * 0.1, "7") for at in range(5)],
    "an infinite scroll": [page(at * 0.04, at) for at in range(7)],
    "a page of charts": [
        call(0, "/statistics/students", query=["by"], values=[f"{at}"], digest=f"{at}") for at in range(5)
    ],
    "two parameters differ": [call(at / 9, query=["sId", "class"], values=[f"{at}", f"c{at}"]) for at in range(5)],
    "eight under way when the token ended": [*(refused(0.01 * at, ms=200) for at in range(8)), refresh(0.5)],
    "twelve at once, then a login": [*burst(), login(9)],
    "twelve at once in a slow network": [*burst(slower=20), *(refused(at) for at in (9, 10, 11)), login(12)],
    "twelve one by one through a proxy, then a login": [
        *(refused(at / 30, ms=15, digest=f"{at}") for at in range(12)),
        login(0.6),
    ],
    "three more, then a login": [*(refused(at) for at in range(4)), login(5), *(refused(6 + at) for at in range(4))],
    "another token": [refused(at, token=f"{at % 2}") for at in range(8)],
    "six refresh tokens that are over": [refresh(at, "", "1004", digest=f"{at}") for at in range(6)],
    "two refresh tokens": [refresh(0, digest="a"), refresh(9, digest="b"), refresh(10, "", "1004", digest="c")],
    "waited": [busy(0, retry_s=5), call(5.1)],
    "waited by another clock": [busy(0, retry_s=5), call(5.018)],
    "another call": [busy(0, retry_s=5), call(1, SEARCH)],
    "asked again after a return": [poll(0), poll(1, "df"), post(2, "/order/returns"), poll(3)],
    "under way when it was refused": [busy(0, retry_s=5, ms=900), call(0.5)],
    "too fast once, and many after the wait": [
        call(0, facts="", http=429, retry_s=1),
        *(call(1.1 + at * 0.3) for at in range(5)),
    ],
    "four repetitions": [busy(0), *(call(0.1 + at / 2) for at in range(4))],
    "stopped": [poll(0), poll(1), poll(2, "of")],
    "looked again after a minute": [poll(0), poll(2, "of"), poll(70, "of")],
    "loaded anew": [poll(0), poll(2, "of"), call(4.1), poll(4.2, "of")],
    "every half second": [poll(at * 0.51) for at in range(9)],
    "each first poll twice, by StrictMode": [poll(0), poll(0.004), poll(3), poll(6, "of")],
    "each first poll twice, slowly": [*TWINS, poll(0), poll(0.1), poll(3)],
    "a page that fails, in StrictMode": [*TWINS, busy(0, retry_s=5, ms=3), busy(0.1, retry_s=5, ms=3), call(6)],
    "a page whose token ended, in StrictMode": [
        *(refused(at / 30, ms=5, digest=f"{at // 2}") for at in range(8)),
        login(0.6),
    ],
    "two orders at once": [poll(0, digest="a"), poll(0.1, digest="b")],
    "two wrong paths": [wrong(0), wrong(1)],
    "three in two minutes": [wrong(0), wrong(50), wrong(70)],
    "whose address others use": [wrong(0, "a"), wrong(1, "a"), wrong(2, "a")],
    "by guess": [refused(at, guess="g") for at in range(9)],
}


def found(calls):
    return {sign["sign"]: sign for sign in signs_of(sorted(calls, key=lambda one: one.time))}


@pytest.mark.parametrize(("sign", "calls"), [*SINS.items(), *OTHER_SINS])
def test_a_sin_is_found_once_and_proved_by_its_calls(sign, calls):
    [(name, facts)] = found(calls).items()

    assert (name, facts["times"], facts["name"]) == (sign, 1, SIGNS[sign][0])
    assert facts["last"] == calls[-1].iso
    assert facts["calls"] == [one.proof() for one in calls if sign != "poll_after_end" or one is not calls[0]]


@pytest.mark.parametrize(
    ("calls", "proof"),
    [
        ([search(-9, "李雷"), *(search(at * 0.2, "王小明明"[: at + 1]) for at in range(4))], [1, 2, 3, 4]),
        ([search(-9, "李"), *(search(at * 0.4, "王小明明"[: at + 1]) for at in range(4))], [1, 2, 3, 4]),
        ([*(refused(at / 50, ms=15) for at in range(5)), login(0.6)], [0, 1, 2, 3, 4]),
        ([*TWINS, *(poll(at * 0.08) for at in range(4))], [6, 8]),
        ([*TWINS[:4], *(poll(at * 0.08) for at in range(4))], [4, 5, 6, 7]),
        ([poll(at * 0.15, ms=450) for at in range(3)], [0, 2]),
        ([poll(at * 0.25, ms=600) for at in range(3)], [0, 1, 2]),
        ([*TWINS, *(busy(at / 10, retry_s=5, ms=3) for at in range(3))], [6, 8]),
        ([*burst(), *(refused(at) for at in range(3, 7))], [0, 12, 13, 14, 15]),
    ],
    ids=[
        *("typing, and a debounced search", "slow typing, and a search of one letter", "one call, then a login"),
        *("doubled polls", "polls, after two doubled readings", "polls that overlap", "slower ones"),
        *("a third try of a page in StrictMode", "who goes on after twelve at once"),
    ],
)
def test_what_looks_careful_for_a_moment_is_blamed_for_the_rest(calls, proof):
    [facts] = found(calls).values()

    assert facts["calls"] == [calls[at].proof() for at in proof]


def test_an_order_that_waits_for_its_payment_is_no_refusal():
    assert [poll(0, status=status).is_own_refusal for status in (3005, 3004)] == [False, True]


def test_each_sign_has_its_sin():
    assert SINS.keys() == SIGNS.keys()


@pytest.mark.parametrize("calls", NEAR_MISSES.values(), ids=NEAR_MISSES)
def test_a_near_miss_is_not_blamed(calls):
    assert found(calls) == {}


def test_the_times_are_counted_and_the_last_is_proved():
    first, second = SINS["no_debounce"], [search(100 + at * 0.4, "李雷雷雷"[: at + 1]) for at in range(4)]

    sign = found(first + second)["no_debounce"]

    assert sign["times"] == 2 and sign["calls"] == [one.proof() for one in second]
