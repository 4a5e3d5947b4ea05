"""The program that decodes one picture and then ends; ``uploads.decoder`` starts it.

    python -m uploads.decoder_child LANE < picture > answer

The answer is a line of JSON that describes the picture, followed by the picture's bytes; or a line that says why the
picture is refused. The kernel limits time, memory and files, so a picture that misleads a codec only ends this process.
"""

import json
import os
import resource
import signal
import sys
import time
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from core.errors import DomainError
from uploads.images import image_clean

# Pictures of 40 megapixels took up to 700 MB (WebP).
MEMORY_BYTES = 1 << 30
NICENESS = 10  # server processes get the processor first


@dataclass(frozen=True)
class TimeLimit:
    """The seconds that a picture may take: processor time, and time by the clock, which is longer on a busy machine."""

    processor_s: int
    clock_s: int


# Measured on a fast core: a phone's photograph took 0.2 s, the slowest picture of 40 megapixels 1.8 s.
LIMITS = {"light": TimeLimit(4, 10), "heavy": TimeLimit(8, 20)}


def main() -> None:
    lane = sys.argv[1]
    _limit_everything(LIMITS[lane])
    try:
        clean = image_clean(BytesIO(sys.stdin.buffer.read()), may_be_heavy=lane == "heavy")
    except DomainError as refusal:
        facts: dict[str, Any] = {"refused": type(refusal).__name__, "reason": repr(refusal.__cause__)[:200]}
        content = b""
    else:
        content = clean.content
        facts = {"extension": clean.extension, "width": clean.width, "height": clean.height, "size": len(content)}
    facts["processor_s"] = time.process_time()
    sys.stdout.buffer.write(json.dumps(facts).encode() + b"\n" + content)
    sys.stdout.buffer.flush()


def _limit_everything(limit: TimeLimit) -> None:
    os.nice(NICENESS)
    # The thread that started this program may have blocked signals, and we inherit that: the alarm needs them.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    signal.alarm(limit.clock_s)
    resource.setrlimit(resource.RLIMIT_CPU, (limit.processor_s, limit.processor_s + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # No new files or sockets: code that takes over a codec cannot read data or send anything.
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    if sys.platform == "linux":  # macOS has this limit, but refuses to set it
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


if __name__ == "__main__":
    main()
