"""What ``uploads.decoder`` and its program agree on. Without Pillow, which takes 6 MB in every server process."""

import struct
from dataclasses import dataclass

LIGHT, HEAVY = b"L", b"H"  # the lanes, as the messages that ask for a child
# The last bytes on a connection: a mark, the child's exit code (below 0: the signal that ended it), its processor time
# in ms. Without the mark, the program has died, and these are bytes of the picture.
END = struct.Struct("!8siI")
END_MARK = b"\0the end"
OVERDUE = 1000  # as exit code: the clock ended it, which is not the picture's fault


@dataclass(frozen=True)
class Limits:
    """What one picture may take. Time by the clock is longer, because the machine may be busy."""

    processor_s: int
    clock_s: int
    memory_bytes: int


# Measured on a fast core: a phone's photograph took 0.2 s; the slowest of 40 megapixels (WebP) 1.8 s and 700 MB.
# Waiting (``decoder.WAIT_S``) and decoding together stay below the 60 s after which nginx gives up.
LIMITS = {LIGHT: Limits(4, 25, 512 << 20), HEAVY: Limits(8, 25, 1 << 30)}
