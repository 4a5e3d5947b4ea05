"""Patterns in the calls of a client that signs and checkpoints look for, and what only looks like a mistake:

- typing: searches whose keys begin with one another;
- a burst: calls that a page sends at once, so that all of them miss the answer of the first;
- twins: React's StrictMode, which every new project has, runs each effect twice.

All functions get calls oldest first.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

from lessons.calls import Call, Fact

Calls = list[Call]
TYPING_S, SHORTEST_PAUSE_S = 2, 0.25  # a debounce of 300 ms lets no search follow sooner than the second
TWO_LETTERS = 16  # hexadecimal digits in their digests
QUEUE_S = 1  # in which the calls that wait for a connection get one
ROUNDING_S = 0.001  # of a call's time and length together
CLOCK_S = 0.05  # by which the clocks of client and server may differ while it waits
POLL_ENDS_S = 10  # without a poll: a question after that is a new one
# Twins begin within that time, even through a slow proxy. It is less than half of what is too fast, so that doubled
# polls are blamed, however they fall.
TWIN_S, MANY_TWINS = 0.2, 3


# --- Any calls ---
def question(call: Call) -> Any:
    """Return what tells whether two calls ask for the same."""
    return call.method, call.path, call.digest


def alike(calls: Iterable[Call], key: Callable[[Call], Any] = question) -> list[Calls]:
    """Put calls with the same ``key`` together."""
    groups: dict[Any, Calls] = defaultdict(list)
    for call in calls:
        groups[key(call)].append(call)
    return list(groups.values())


def shortest_s(run: Calls, number: int) -> float:
    """Return the shortest time in which ``number`` calls of a run in a row began; infinity for a shorter run."""
    spans = [last.time - first.time for first, last in zip(run, run[number - 1 :], strict=False)]
    return min(spans, default=float("inf"))


def joined(proofs: Iterable[Calls]) -> list[Calls]:
    """Make one of proofs that share calls: three clicks are one double submit."""
    whole: list[Calls] = []
    for proof in proofs:
        # By identity: equal calls may have happened twice.
        known = {id(call) for call in whole[-1]} if whole else set()
        new = [call for call in proof if id(call) not in known]
        if len(new) < len(proof):
            whole[-1] += new
        else:
            whole.append(new)
    return whole


# --- Typing ---
def is_typing(call: Call, other: Call) -> bool:
    """Tell whether one key begins with the other."""
    return call.key != other.key and (call.key.startswith(other.key) or other.key.startswith(call.key))


def is_debounced(call: Call, searches: Calls) -> bool:
    """Tell whether a search of two letters or more came at once, without one for the beginning of its key."""
    near = [other for other in searches if abs(call.time - other.time) <= TYPING_S]
    return len(call.key) >= TWO_LETTERS and not any(is_typing(call, other) for other in near)


# --- Bursts ---
def overlap(calls: Calls) -> bool:
    """Tell whether one of the calls was sent before another was answered."""
    return any(second.time < first.end - ROUNDING_S for first, second in pairwise(calls))


def after_burst(calls: Calls, login: Call | None) -> Calls:
    """Return the calls that a client sent when it could know the answer of the first.

    A page sends many at once: some are under way when the first is answered, and some wait in the browser or in a proxy
    for a connection. They show by overlapping; the calls of a client that sends one after the other never do. A proxy
    with a single connection passes both on alike, 5 to 50 ms apart: there a burst shows by a login right behind it, and
    by no call that came more than twice.

    :param login: the login or refresh that follows.
    """
    first = calls[0]
    if login and login.time <= first.end + 2 * QUEUE_S and max(map(len, alike(calls))) <= 2:
        return []
    under_way = [call for call in calls if call.time <= first.end]
    queue_ends = max(call.end for call in under_way) + QUEUE_S
    burst = [call for call in calls if call.time <= queue_ends]
    return calls[len(burst if overlap(burst) else under_way) :]


# --- Twins ---
def sends_twins(calls: Calls) -> bool:
    """Tell whether a client often sends its readings twice."""
    readings = alike(call for call in calls if call.is_ok and Fact.READING in call.facts)
    pauses = [second.time - first.time for group in readings for first, second in pairwise(group)]
    return sum(pause < TWIN_S for pause in pauses) >= MANY_TWINS


def without_twins(calls: Calls, *, has_twins: bool) -> Calls:
    """Leave out each second call that began soon after the first, and before its end unless the client has twins."""
    kept: Calls = []
    is_twin = False
    for call in calls:
        is_soon = bool(kept) and call.time < kept[-1].time + TWIN_S
        is_twin = not is_twin and is_soon and (has_twins or call.time < kept[-1].end)
        if not is_twin:
            kept.append(call)
    return kept
