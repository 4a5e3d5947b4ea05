"""What a request needs to know of a picture: limits, types, and whether it is heavy.

Without Pillow, which takes 6 MB in every server process.
"""

from dataclasses import dataclass
from struct import unpack_from
from typing import BinaryIO

from uploads.errors import ImageIsHeic, ImageRefused

MAX_BYTES = 5 * 1024 * 1024  # of the file that is sent, and of the one that is stored
MAX_PIXELS = 40_000_000
# Photographs and screenshots of phones have fewer pixels than this. Other pictures may take 2 s and 700 MB.
LIGHT_PIXELS = {"JPEG": 20_000_000, "MPO": 20_000_000, "PNG": 6_000_000}
CONTENT_TYPES = {"jpg": "image/jpeg", "png": "image/png", "gif": "image/gif", "webp": "image/webp"}
_JPEG_MAGIC, _PNG_MAGIC = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_MAGIC = (_JPEG_MAGIC, _PNG_MAGIC, b"GIF8", b"RIFF")
_HEIC = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}
_HEAD_BYTES = 256 * 1024  # in files of cameras, the size comes after a preview and colour tables
LIGHT, HEAVY = "light", "heavy"  # the decoder's lanes


@dataclass(frozen=True)
class Limits:
    """What one picture may take. Time by the clock is longer, because the machine may be busy."""

    processor_s: int
    clock_s: int
    memory_bytes: int


# Measured on a fast core: a phone's photograph took 0.2 s; the slowest of 40 megapixels (WebP) 1.8 s and 700 MB.
# Waiting (``decoder.WAIT_S``) and decoding together stay below the 60 s after which nginx gives up.
LIMITS = {LIGHT: Limits(4, 25, 512 << 20), HEAVY: Limits(8, 25, 1 << 30)}


@dataclass(frozen=True)
class CleanImage:
    content: bytes
    extension: str
    width: int
    height: int

    @property
    def content_type(self) -> str:
        return CONTENT_TYPES[self.extension]


def looks_heavy(file: BinaryIO) -> bool:
    """Guess from its first bytes whether a picture is heavy. Everything unusual is taken for heavy.

    Pillow could tell the size, but for some formats it reads much more than the header: a WebP that claims to be large
    takes 2 GB.

    :raises ImageRefused: the file does not begin like a picture that is accepted.
    """
    head = file.read(_HEAD_BYTES)
    if is_heic(head):
        raise ImageIsHeic
    if not head.startswith(_MAGIC):
        raise ImageRefused
    width, height = _size(head)
    kind = "JPEG" if head.startswith(_JPEG_MAGIC) else "PNG"
    return not width or width * height > LIGHT_PIXELS[kind]


def picture_side(file: BinaryIO) -> int:
    """Return the longer side of a JPEG or PNG in pixels, as its head tells it; 0 if it does not."""
    return max(_size(file.read(_HEAD_BYTES)))


def is_heic(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and head[8:12] in _HEIC


def _size(head: bytes) -> tuple[int, int]:
    """Return width and height of a JPEG or PNG; zeros if they are not in its head."""
    if head.startswith(_PNG_MAGIC):
        return unpack_from(">II", head.ljust(24, b"\xff"), 16)
    at = 2 if head.startswith(_JPEG_MAGIC) else len(head)
    while at + 9 <= len(head) and head[at] == 0xFF:
        _, marker, length, _, height, width = unpack_from(">BBHBHH", head, at)
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:  # a frame header, which holds the size
            return width, height
        at += 2 + length
    return 0, 0
