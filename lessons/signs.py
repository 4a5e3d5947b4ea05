"""Signs of how a client works. Each is one function: it gets the calls of an account, oldest first, and returns each
time that the sign was there, as the calls that prove it.

What a call tells stands in ``lessons.calls``: mostly ``time``, ``end`` and ``path``, and the ``Fact`` letters in
``facts``. What looks like a mistake and is none stands in ``lessons.patterns``. To add a sign, write its function below
a ``@sign`` with its Chinese name, and give ``tests/test_signs.py`` calls that show it and calls that nearly do.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from lessons import patterns
from lessons.calls import CHARTS, POLL, REFRESH, REPEATABLE, Call, Fact
from lessons.patterns import Calls, alike, joined

MANY_ROWS = 100  # of a list without pages
HEAVY_BYTES, HEAVY_SIDE = 1_000_000, 2_000  # of a picture; the side in pixels
Find = Callable[[Calls], list[Calls]]
# By the names of the functions, which clients know; each with its Chinese name.
SIGNS: dict[str, tuple[str, Find]] = {}


def sign(name: str) -> Callable[[Find], Find]:
    def register(find: Find) -> Find:
        SIGNS[find.__name__] = (name, find)
        return find

    return register


def signs_of(calls: Calls) -> list[dict[str, Any]]:
    """Return the signs of an account as ``/sandbox/control/signs`` tells them; the calls are those of the last time."""
    certain = [call for call in calls if call.is_certain]
    likely = [call for call in calls if call.is_likely]
    rows = []
    for key, (name, find) in SIGNS.items():
        if found := find(likely if find is wrong_path else certain):
            last = max(found, key=lambda proof: proof[-1].time)
            row = {"sign": key, "name": name, "times": len(found), "last": last[-1].iso}
            rows.append(row | {"calls": [call.proof() for call in last]})
    return rows


@sign("搜索没有防抖")
def no_debounce(calls: Calls) -> list[Calls]:
    """Find at least 4 searches within 2 s, each with a key that begins with the one before.

    A slow typist pauses at each letter, so a debounce lets all of them pass; another search shows that there is one.
    """
    searches = [call for call in calls if call.key]
    has_debounce = any(patterns.is_debounced(call, searches) for call in searches)
    runs: list[Calls] = []
    for call in searches:
        before = runs[-1][-1] if runs else None
        if before and call.path == before.path and call.key != before.key and call.key.startswith(before.key):
            runs[-1].append(call)
        else:
            runs.append([call])
    found = []
    for run in runs:
        is_typed_slowly = has_debounce and patterns.shortest_s(run, 2) > patterns.SHORTEST_PAUSE_S
        if patterns.shortest_s(run, 4) <= 2 and not is_typed_slowly:
            found.append(run)
    return found


@sign("没有分页")
def no_paging(calls: Calls) -> list[Calls]:
    """Find lists without ``count`` that answered more than 100 rows."""
    return [[call] for call in calls if Fact.UNPAGED in call.facts]


@sign("重复提交")
def double_submit(calls: Calls) -> list[Calls]:
    """Find equal POSTs within 2 s that both changed something. With another change between them it was on purpose."""
    changes = [call for call in calls if Fact.CHANGE in call.facts]
    pairs = []
    for first, second in pairwise(changes):
        is_equal = first.method == "POST" and first.digest != "" and first.same_as(second)
        if is_equal and first.path not in REPEATABLE and second.time - first.time <= 2:
            pairs.append([first, second])
    return joined(pairs)


@sign("循环请求")
def n_plus_one(calls: Calls) -> list[Calls]:
    """Find at least 5 readings of one path within 1 s that differ in the value of one parameter."""
    readings = [call for call in calls if Fact.READING in call.facts and call.values]
    rows = [call for call in readings if not call.path.startswith(CHARTS)]
    found = []
    for group in alike(rows, lambda call: (call.method, call.path, *call.query, len(call.values or []))):
        while group:
            burst = [call for call in group if call.time - group[0].time <= 1]
            is_loop = _is_loop(burst)
            if is_loop:
                found.append(burst)
            group = group[len(burst) if is_loop else 1 :]
    return found


def _is_loop(burst: Calls) -> bool:
    """Tell whether one parameter takes 5 values or more. Typing is none, nor is to scroll from one page to the next."""
    columns = zip(*(call.values or [] for call in burst), strict=True)
    kinds = [len(set(column)) for column in columns]
    changing = [at for at, number in enumerate(kinds) if number > 1]
    if len(changing) != 1 or kinds[changing[0]] < 5:
        return False
    is_typed = any(patterns.is_typing(first, second) for first, second in pairwise(burst))
    is_scrolled = burst[0].query[changing[0] :][:1] == ["page"] and not patterns.overlap(burst)
    return not is_typed and not is_scrolled


@sign("忽略 token 失效")
def ended_token(calls: Calls) -> list[Calls]:
    """Find a refusal 1004 with more than 3 more before a login or refresh, and refresh tokens that came again."""
    found, ended = _spent_refreshes(calls), list[Call]()
    for call in calls:
        if call.code == "1004" and call.path != REFRESH:
            ended.append(call)
        login = call if Fact.LOGIN in call.facts else None
        if login or call is calls[-1]:
            for run in alike(ended, lambda one: one.token):
                proof = [run[0], *patterns.after_burst(run, login)]
                if len(proof) > 4:
                    found.append(proof)
            ended = []
    return found


def _spent_refreshes(calls: Calls) -> list[Calls]:
    found, spent = [], dict[str, Call]()
    for call in calls:
        if call.path == REFRESH and call.digest:
            if call.is_ok:
                spent[call.digest] = call
            elif call.digest in spent:
                found.append([spent[call.digest], call])
    return found


@sign("重试风暴")
def retry_storm(calls: Calls) -> list[Calls]:
    """Find a call repeated before its ``Retry-After`` was over, and at least 5 repetitions within 3 s after a 5xx."""
    found, has_twins = [], patterns.sends_twins(calls)
    for at, call in enumerate(calls):
        if not call.retry_s and call.http < 500:
            continue
        again = [later for later in calls[at + 1 :] if later.time > call.end and later.same_as(call)]
        again = patterns.without_twins([call, *again], has_twins=has_twins)[1:]
        too_soon = [later for later in again if later.time < call.end + call.retry_s - patterns.CLOCK_S]
        at_once = [later for later in again if later.time <= call.end + 3]
        if too_soon:
            found.append([call, *too_soon])
        elif call.http >= 500 and len(at_once) >= 5:
            found.append([call, *at_once])
    return joined(found)


@sign("支付后仍在轮询")
def poll_after_end(calls: Calls) -> list[Calls]:
    """Find polls of an order after an answer that it is paid, or will never be.

    After a change of the account, such as a return, it is a new question. So it is among other readings: the page was
    loaded anew, or, as React Query sees it, came to the front.
    """
    changes = [call.time for call in calls if Fact.CHANGE in call.facts]
    readings = [call.time for call in calls if Fact.READING in call.facts and call.path != POLL]
    found = []
    for polls in alike(call for call in calls if call.path == POLL):
        proof = [call for call in polls if Fact.FINAL in call.facts][:1]
        for call in polls if proof else ():
            end = proof[0]
            if any(end.time < moment < call.time for moment in changes):
                break
            is_new = call.time > proof[-1].end + patterns.POLL_ENDS_S or any(
                abs(call.time - at) <= patterns.TWIN_S for at in readings
            )
            if call.time > end.end and not is_new:
                proof.append(call)
        if len(proof) > 1:
            found.append(proof)
    return found


@sign("轮询太快")
def poll_too_fast(calls: Calls) -> list[Calls]:
    """Find polls of one order less than 500 ms apart."""
    found, has_twins = [], patterns.sends_twins(calls)
    for group in alike(call for call in calls if call.path == POLL):
        polls = patterns.without_twins(group, has_twins=has_twins)
        found += [[first, second] for first, second in pairwise(polls) if second.time - first.time < 0.5]
    return joined(found)


@sign("图片没有压缩")
def heavy_upload(calls: Calls) -> list[Calls]:
    """Find pictures over 1 MB or 2,000 pixels."""
    return [[call] for call in calls if Fact.HEAVY in call.facts]


@sign("地址写错")
def wrong_path(calls: Calls) -> list[Calls]:
    """Find at least 3 requests within a minute for unknown addresses. Guessed callers count as well."""
    found: list[Calls] = []
    run: Calls = []
    for call in calls:
        if Fact.UNKNOWN_PATH in call.facts:
            run = [earlier for earlier in run if call.time - earlier.time <= 60] + [call]
            if len(run) == 3:
                found.append(list(run))
            elif len(run) > 3:
                found[-1].append(call)
    return found
