"""What the stream of a lesson (``lessons/stream.py``) costs a call, in time and in our own processor time.

    python -m benchmarks.stream [--calls N]

Two handlers in one process, which differ in ``StreamMiddleware`` alone, answer the same calls in turn, so that both
have the same good and bad moments of the machine. Prints the medians of both and of the differences,
and the differences of the fastest tenth: on a machine with other work they are nearest to an idle one.
"""

import time
from collections.abc import Callable
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

from benchmarks import kit

STREAM = "lessons.stream.StreamMiddleware"
CALLS = {
    "get_cart": ("GET", "/cart/get_cart", {}),
    "getstulist": ("GET", "/students/getstulist", {"page": "1", "count": "10"}),
    "searchstu": ("GET", "/students/searchstu", {"key": "王小明", "page": "1", "count": "10"}),
    "no token": ("GET", "/cart/get_cart", {}),
}


def handlers() -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """Return a handler without the stream, and one with it."""
    from django.conf import settings
    from django.core.handlers.base import BaseHandler
    from django.test import override_settings

    made = []
    for middleware in ([one for one in settings.MIDDLEWARE if one != STREAM], settings.MIDDLEWARE):
        with override_settings(MIDDLEWARE=middleware):
            handler = BaseHandler()
            handler.load_middleware()
            made.append(handler.get_response)
    return made[0], made[1]


def main() -> None:
    parser = kit.parser(__doc__)
    parser.add_argument("--calls", type=int, default=3000, help="of each kind (default: 3,000)")
    options = parser.parse_args()
    with TemporaryDirectory() as home, kit.prepared(STATE_DIR=home):
        kit.fill_students(1000)
        measure(kit.buyer_token(), options.calls)


def measure(token: str, number: int) -> None:
    from django.test import RequestFactory

    both, factory = handlers(), RequestFactory()
    widths = (9, 9, 7, 7, 14, 7, 7, 7)
    names = ("without", "with", "more", "tenth", "CPU without", "with", "more", "tenth")
    print(f"{'µs of a call':14}" + "".join(f"{one:>{width}}" for one, width in zip(names, widths, strict=True)))
    for name, (method, path, query) in CALLS.items():
        head = {"HTTP_AUTHORIZATION": token} if name != "no token" else {}
        took: list[tuple[list[float], list[float]]] = [([], []), ([], [])]
        for turn in range(number + 100):
            # Each is first in half of the turns.
            for which in (turn % 2, 1 - turn % 2):
                request = factory.generic(method, path, QUERY_STRING=urlencode(query), **head)
                start, cpu = time.perf_counter(), time.process_time()
                both[which](request)
                if turn >= 100:
                    took[which][0].append(time.perf_counter() - start)
                    took[which][1].append(time.process_time() - cpu)
        (slow, slow_cpu), (fast, fast_cpu) = took[1], took[0]
        figures = []
        for without, more in ((fast, slow), (fast_cpu, slow_cpu)):
            tenth = len(more) // 10
            figures += [median(without), median(more), median(map(float.__sub__, more, without))]
            figures.append(sorted(more)[tenth] - sorted(without)[tenth])
        print(f"{name:14}" + "".join(f"{one * 1e6:{width}.0f}" for one, width in zip(figures, widths, strict=True)))


if __name__ == "__main__":
    main()
