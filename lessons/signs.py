"""Signs of how a client works. Each is one function: it gets the calls of an account, oldest first, and returns each
time the sign was there, as the calls that prove it.

To add a sign, write a function and name it in ``SIGNS``. Only ``wrong_path`` gets calls of a caller who is guessed.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

from lessons.calls import CHARTS, POLL, REFRESH, REPEATABLE, Call, Fact

Calls = list[Call]
MANY_ROWS = 100  # of a list without pages
HEAVY_BYTES, HEAVY_SIDE = 1_000_000, 2_000  # of a picture; the side in pixels
POLL_ENDS_S = 10  # without a poll: a question after that is a new one
QUEUE_S = 1  # in which the calls that wait for a connection get one
ROUNDING_S = 0.001  # of a call's time and length together
CLOCK_S = 0.05  # by which the clocks of client and server may differ while it waits
TYPING_S, SHORTEST_PAUSE_S = 2, 0.25  # a debounce of 300 ms lets no search follow sooner than the second
TWO_LETTERS = 16  # hexadecimal digits in their digests
# React's StrictMode, which every new project has, runs each effect twice: within that time, even through a slow proxy.
TWIN_S, MANY_TWINS = 0.2, 3  # less than half of what is too fast: doubled polls are blamed, however they fall


def no_debounce(calls: Calls) -> list[Calls]:
    """Find at least 4 searches within 2 s, each with a key that begins with the one before.

    Who types slowly pauses at each letter, so a debounce lets all of them pass; another search shows that there is one.
    """
    searches = [call for call in calls if call.key]
    runs: list[Calls] = []
    for call in searches:
        before = runs[-1][-1] if runs else None
        if before and before.path == call.path and is_typing(before, call) and len(before.key) < len(call.key):
            runs[-1].append(call)
        else:
            runs.append([call])
    has_debounce = any(is_debounced(call, searches) for call in searches)
    return [run for run in runs if _closest(run, 4) <= 2 and not (has_debounce and _closest(run, 2) > SHORTEST_PAUSE_S)]


def is_typing(call: Call, other: Call) -> bool:
    """Tell whether one key begins with the other."""
    return call.key != other.key and (call.key.startswith(other.key) or other.key.startswith(call.key))


def is_debounced(call: Call, searches: Calls) -> bool:
    """Tell whether a search of two letters or more came at once, without one for the beginning of its key."""
    near = (other for other in searches if abs(call.time - other.time) <= TYPING_S)
    return len(call.key) >= TWO_LETTERS and not any(is_typing(call, other) for other in near)


def no_paging(calls: Calls) -> list[Calls]:
    """Find lists without ``count`` that answered more than 100 rows."""
    return [[call] for call in calls if Fact.UNPAGED in call.facts]


def double_submit(calls: Calls) -> list[Calls]:
    """Find equal POSTs within 2 s that both changed something. With another change between them it was on purpose."""
    return _joined(
        [first, second]
        for first, second in pairwise(call for call in calls if Fact.CHANGE in call.facts)
        if first.method == "POST" and first.digest and first.same_as(second) and second.time - first.time <= 2
        if first.path not in REPEATABLE
    )


def n_plus_one(calls: Calls) -> list[Calls]:
    """Find at least 5 readings of one path within 1 s that differ in the value of one parameter.

    Typing is none, and neither is scrolling: one page asked for after the other.
    """
    groups: dict[Any, Calls] = defaultdict(list)
    for call in calls:
        if Fact.READING in call.facts and call.values and not call.path.startswith(CHARTS):
            groups[call.method, call.path, tuple(call.query), len(call.values)].append(call)
    found = []
    for group in groups.values():
        at = 0
        while at < len(group):
            burst = [call for call in group[at:] if call.time - group[at].time <= 1]
            kinds = [len(set(column)) for column in zip(*(call.values or [] for call in burst), strict=True)]
            is_loop = len(burst) >= 5 and max(kinds) >= 5 and sum(number > 1 for number in kinds) == 1
            changing = kinds.index(max(kinds))
            is_scrolling = burst[0].query[changing : changing + 1] == ["page"] and not _overlap(burst)
            is_loop = is_loop and not is_scrolling and not any(is_typing(*pair) for pair in pairwise(burst))
            if is_loop:
                found.append(burst)
            at += len(burst) if is_loop else 1
    return found


def ended_token(calls: Calls) -> list[Calls]:
    """Find a refusal 1004 with more than 3 more before a login or refresh, and refresh tokens that came again."""
    found, ended, spent = list[Calls](), defaultdict[str, Calls](list), dict[str, Call]()
    for call in calls:
        if call.path == REFRESH and call.digest:
            if call.is_ok:
                spent[call.digest] = call
            elif call.digest in spent:
                found.append([spent[call.digest], call])
        elif call.code == "1004":
            ended[call.token].append(call)
        is_login = Fact.LOGIN in call.facts
        if is_login or call is calls[-1]:
            runs = ([run[0], *after_burst(run, call if is_login else None)] for run in ended.values())
            found += [run for run in runs if len(run) > 4]
            ended.clear()
    return found


def after_burst(calls: Calls, login: Call | None) -> Calls:
    """Return the calls that a client sent when it could know the answer of the first.

    A page sends many at once: some are under way when the first is answered, and some wait in the browser or in a proxy
    for a connection. They show by overlapping; the calls of a client that sends one after the other never do. A proxy
    with a single connection passes both on alike, 5 to 50 ms apart: there a burst shows by a login right behind it, and
    by no call that came more than twice.

    :param login: the login or refresh that follows.
    """
    if login and login.time <= calls[0].end + 2 * QUEUE_S and max(map(len, _groups(calls))) <= 2:
        return []
    under_way = [call for call in calls if call.time <= calls[0].end]
    queue_ends = max(call.end for call in under_way) + QUEUE_S
    burst = [call for call in calls if call.time <= queue_ends]
    return calls[len(burst if _overlap(burst) else under_way) :]


def _overlap(calls: Calls) -> bool:
    """Tell whether one of the calls was sent before another was answered."""
    return any(second.time < first.end - ROUNDING_S for first, second in pairwise(calls))


def retry_storm(calls: Calls) -> list[Calls]:
    """Find a call repeated before its ``Retry-After`` was over, and at least 5 repetitions within 3 s after a 5xx."""
    found, has_twins = [], _has_twins(calls)
    for at, call in enumerate(calls):
        if not call.retry_s and call.http < 500:
            continue
        again = [later for later in calls[at + 1 :] if later.time > call.end and later.same_as(call)]
        again = _without_twins([call, *again], has_twins)[1:]
        soon = [later for later in again if later.time < call.end + call.retry_s - CLOCK_S]
        storm = [later for later in again if call.http >= 500 and later.time <= call.end + 3]
        if soon or len(storm) >= 5:
            found.append([call, *(soon or storm)])
    return _joined(found)


def poll_after_end(calls: Calls) -> list[Calls]:
    """Find polls of an order after an answer that it is paid, or will never be.

    After a change of the account, such as a return, it is a new question. So it is among other readings: the page was
    loaded anew, or, as React Query sees it, came to the front.
    """
    found, changes = [], [call.time for call in calls if Fact.CHANGE in call.facts]
    readings = [call.time for call in calls if Fact.READING in call.facts and call.path != POLL]
    for group in _groups(call for call in calls if call.path == POLL):
        last = next((call for call in group if Fact.FINAL in call.facts), None)
        proof = [last] if last else []
        for call in group:
            if proof and proof[0].end < call.time <= proof[-1].end + POLL_ENDS_S:
                if any(proof[0].time < at < call.time for at in changes):
                    break
                if not any(abs(at - call.time) <= TWIN_S for at in readings):
                    proof.append(call)
        if len(proof) > 1:
            found.append(proof)
    return found


def poll_too_fast(calls: Calls) -> list[Calls]:
    """Find polls of one order less than 500 ms apart."""
    has_twins = _has_twins(calls)
    polls = [_without_twins(group, has_twins) for group in _groups(call for call in calls if call.path == POLL)]
    return _joined(list(pair) for group in polls for pair in pairwise(group) if pair[1].time - pair[0].time < 0.5)


def _has_twins(calls: Calls) -> bool:
    """Tell whether a client often sends its readings twice."""
    groups = _groups(call for call in calls if call.is_ok and Fact.READING in call.facts)
    pairs = (pair for group in groups for pair in pairwise(group))
    return sum(second.time - first.time < TWIN_S for first, second in pairs) >= MANY_TWINS


def _without_twins(calls: Calls, has_twins: bool) -> Calls:
    """Leave out each second call that began soon after the first, and before its end unless the client has twins."""
    kept: Calls = []
    is_twin = False
    for call in calls:
        is_soon = bool(kept) and call.time < kept[-1].time + TWIN_S
        is_twin = not is_twin and is_soon and (has_twins or call.time < kept[-1].end)
        if not is_twin:
            kept.append(call)
    return kept


def heavy_upload(calls: Calls) -> list[Calls]:
    """Find pictures over 1 MB or 2,000 pixels."""
    return [[call] for call in calls if Fact.HEAVY in call.facts]


def wrong_path(calls: Calls) -> list[Calls]:
    """Find at least 3 requests within a minute for addresses that there are not."""
    found: list[Calls] = []
    run: Calls = []
    for call in calls:
        if Fact.UNKNOWN_PATH not in call.facts:
            continue
        run = [earlier for earlier in run if call.time - earlier.time <= 60] + [call]
        if len(run) == 3:
            found.append(list(run))
        elif len(run) > 3:
            found[-1].append(call)
    return found


SIGNS: dict[str, tuple[str, Callable[[Calls], list[Calls]]]] = {
    "no_debounce": ("搜索没有防抖", no_debounce),
    "no_paging": ("没有分页", no_paging),
    "double_submit": ("重复提交", double_submit),
    "n_plus_one": ("循环请求", n_plus_one),
    "ended_token": ("忽略 token 失效", ended_token),
    "retry_storm": ("重试风暴", retry_storm),
    "poll_after_end": ("支付后仍在轮询", poll_after_end),
    "poll_too_fast": ("轮询太快", poll_too_fast),
    "heavy_upload": ("图片没有压缩", heavy_upload),
    "wrong_path": ("地址写错", wrong_path),
}


def signs_of(calls: Calls) -> list[dict[str, Any]]:
    """Return the signs of an account as ``/sandbox/control/signs`` tells them; the calls are those of the last time."""
    certain, likely = [call for call in calls if call.is_certain], [call for call in calls if call.is_likely]
    rows = []
    for sign, (name, find) in SIGNS.items():
        found = find(likely if find is wrong_path else certain)
        if found:
            last = max(found, key=lambda proof: proof[-1].time)
            row = {"sign": sign, "name": name, "times": len(found), "last": last[-1].iso}
            rows.append(row | {"calls": [call.proof() for call in last]})
    return rows


def _groups(calls: Iterable[Call]) -> list[Calls]:
    """Put calls with the same path and the same parameters together."""
    groups: dict[Any, Calls] = defaultdict(list)
    for call in calls:
        groups[call.method, call.path, call.digest].append(call)
    return list(groups.values())


def _joined(proofs: Iterable[Calls]) -> list[Calls]:
    """Make one of proofs that share calls: three clicks are one double submit."""
    joined: list[Calls] = []
    for proof in proofs:
        if joined and any(call is known for call in proof for known in joined[-1]):
            joined[-1] += [call for call in proof if not any(call is known for known in joined[-1])]
        else:
            joined.append(list(proof))
    return joined


def _closest(run: Calls, number: int) -> float:
    """Return the shortest time in which ``number`` calls of a run in a row began; infinity for a shorter run."""
    spans = (later.time - first.time for first, later in zip(run, run[number - 1 :], strict=False))
    return min(spans, default=float("inf"))
