"""The program that decodes one picture and ends; ``uploads.decoder`` starts it.

    python -m uploads.decoder_child LANE < picture > answer

The answer is a line of JSON: what the picture is, followed by its bytes, or why it is refused. Whatever a picture makes
a codec do, the kernel ends it.
"""

import json
import os
import resource
import signal
import sys
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from core.errors import DomainError
from uploads.images import image_clean

# 40 megapixels took 700 MB at most (WebP).
MEMORY_BYTES = 1 << 30
NICENESS = 10  # requests go first


@dataclass(frozen=True)
class Limit:
    """The seconds a picture may take: of the processor, and by the clock when that is busy."""

    processor_s: int
    clock_s: int


# On a fast core a phone's photograph took 0.2 s, the worst of 40 megapixels 1.8 s.
LIMITS = {"light": Limit(4, 10), "heavy": Limit(8, 20)}


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
    sys.stdout.buffer.write(json.dumps(facts).encode() + b"\n" + content)
    sys.stdout.buffer.flush()


def _limit_everything(limit: Limit) -> None:
    os.nice(NICENESS)
    # The thread that started us may have kept signals from itself, and we inherit that.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    signal.alarm(limit.clock_s)
    resource.setrlimit(resource.RLIMIT_CPU, (limit.processor_s, limit.processor_s + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Who finds a hole in a codec can open neither file nor socket.
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    if sys.platform == "linux":  # macOS knows this limit and refuses to set it
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


if __name__ == "__main__":
    main()
