"""The process that decodes one picture; ``uploads.decoder`` starts it.

    python -m uploads.decoder_child light < picture > answer

The answer is a line of JSON that describes the picture, or says why it is refused, and the picture written anew.
"""

import json
import os
import resource
import signal
import sys
import time
from io import BytesIO
from typing import Any

from core.errors import DomainError
from uploads.images import image_clean
from uploads.limits import HEAVY, LIMITS, Limits

NICENESS = 5  # server processes get three times as much; with 10 a busy machine finished no picture in time


def main(lane: str) -> None:
    os.nice(NICENESS)
    # A stop of the service signals all its processes; pictures under way are finished.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # The thread that started this process may have blocked signals, and we inherit that.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    picture = sys.stdin.buffer.read()
    os.close(0)
    _limit_everything(LIMITS[lane])
    head, content = _answer(picture, may_be_heavy=lane == HEAVY)
    head["processor_ms"] = int(time.process_time() * 1000)
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + content)


def _answer(picture: bytes, *, may_be_heavy: bool) -> tuple[dict[str, Any], bytes]:
    try:
        clean = image_clean(BytesIO(picture), may_be_heavy=may_be_heavy)
    except DomainError as refusal:
        return {"refused": type(refusal).__name__, "reason": repr(refusal.__cause__)[:200]}, b""
    return {"extension": clean.extension, "width": clean.width, "height": clean.height}, clean.content


def _limit_everything(limits: Limits) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (limits.processor_s, limits.processor_s + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # No new files, sockets or processes, nothing written to a file: code that takes over a codec cannot read data or
    # send anything.
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    if sys.platform == "linux":  # macOS has this limit, but refuses to set it
        resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))


if __name__ == "__main__":
    main(sys.argv[1])
