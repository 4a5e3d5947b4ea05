"""From the bytes somebody sent to a harmless picture: decoded, and written anew without anything else.

Re-encoding is what makes polyglots, metadata (GPS, colour profiles) and odd chunks vanish: only pixels pass.
Pure Pillow: it runs in a process of its own (``uploads.decoder``), which has no Django.
"""

import warnings
from dataclasses import dataclass, replace
from io import BytesIO
from math import sqrt
from struct import unpack_from
from typing import Any, BinaryIO

from PIL import Image, ImageOps, ImageSequence, MpoImagePlugin, TiffImagePlugin, WebPImagePlugin  # noqa: F401

from core.errors import DomainError
from uploads.errors import ImageBroken, ImageRefused, ImageTooComplex, ImageTooLarge, ImageTooManyPixels

MAX_BYTES = 5 * 1024 * 1024  # of what is sent, and of what is stored
MAX_PIXELS = 40_000_000
# Of what is stored: more than any screen of today shows.
MAX_SIDE = 4_096
# All frames together; a longer animation is kept as its first frame.
MAX_ANIMATION_PIXELS = 25_000_000
MAX_FRAMES = 300
# A phone's photograph or screenshot is below these. All else may take 2 s and 700 MB.
_LIGHT_PIXELS = {"JPEG": 20_000_000, "MPO": 20_000_000, "PNG": 6_000_000}
ENCODE_TRIES = 3
_JPEG_MAGIC, _PNG_MAGIC = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_MAGIC = (_JPEG_MAGIC, _PNG_MAGIC, b"GIF8", b"RIFF")
_HEAD_BYTES = 256 * 1024  # cameras write a preview and colour tables before the size

# Pillow would load its formats when it meets the first picture; the process that decodes can open no file by then.
Image.preinit()
# Pillow raises from twice this number on and warns below; it also counts frames that outgrow their canvas.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2
warnings.simplefilter("ignore", Image.DecompressionBombWarning)

_READABLE = ("JPEG", "PNG", "GIF", "WEBP")
_SAVED_AS: dict[
    str, tuple[str, str, str, dict[str, Any]]
] = {  # Pillow's format -> (format, extension, content type, options)
    "JPEG": ("JPEG", "jpg", "image/jpeg", {"quality": 88}),
    "MPO": ("JPEG", "jpg", "image/jpeg", {"quality": 88}),  # what phones call a JPEG with a second picture in it
    "PNG": ("PNG", "png", "image/png", {}),
    "GIF": ("GIF", "gif", "image/gif", {"optimize": False}),
    "WEBP": ("WEBP", "webp", "image/webp", {"quality": 85, "method": 2}),
}
CONTENT_TYPES = {extension: kind for _, extension, kind, _ in _SAVED_AS.values()}
_MODES = {
    "JPEG": {"L", "RGB"},
    "PNG": {"1", "L", "LA", "P", "RGB", "RGBA"},
    "GIF": {"L", "P", "RGB", "RGBA"},
    "WEBP": {"RGB", "RGBA"},
}


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
    """Guess whether a file takes more than a photograph or a screenshot does; whatever is unusual does.

    Pillow would know, but its formats read much more than a header: a WebP that claims to be large takes 2 GB.

    :raises ImageRefused: it begins like no picture.
    """
    head = file.read(_HEAD_BYTES)
    if not head.startswith(_MAGIC):
        raise ImageRefused
    if head.startswith(_JPEG_MAGIC):
        return _jpeg_pixels(head) > _LIGHT_PIXELS["JPEG"]
    if head.startswith(_PNG_MAGIC):
        width, height = unpack_from(">II", head.ljust(24, b"\xff"), 16)
        return width * height > _LIGHT_PIXELS["PNG"]
    return True


def _jpeg_pixels(head: bytes) -> int:
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        _, marker, length, _, height, width = unpack_from(">BBHBHH", head, at)
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:  # a frame, no tables
            return width * height
        at += 2 + length
    return MAX_PIXELS


def image_clean(file: BinaryIO, *, may_be_heavy: bool = True) -> CleanImage:
    """Read a JPEG, PNG, GIF or WebP, judged by content alone, and write it anew.

    EXIF orientation is applied; metadata and colour profiles are dropped; what is larger than ``MAX_SIDE`` is
    scaled down, and once more if it would take more than ``MAX_BYTES``; animations of GIF and WebP are kept up to
    ``MAX_FRAMES`` and ``MAX_ANIMATION_PIXELS``.

    :param may_be_heavy: False where :func:`looks_heavy` said no: a file that fooled it is refused.
    :raises ImageRefused: not a picture, broken, above ``MAX_PIXELS`` or too much for this process.
    """
    try:
        return _encoded(_decoded(file, may_be_heavy))
    except DomainError:
        raise
    except Image.DecompressionBombError:
        raise ImageTooManyPixels from None
    except Image.UnidentifiedImageError:
        raise ImageRefused from None
    except MemoryError:
        raise ImageTooComplex from None
    except Exception as error:  # Pillow raises a dozen kinds for broken files: none of them is our fault
        raise ImageBroken from error


@dataclass(frozen=True)
class _Picture:
    """Only pixels: the decoder and its buffers are gone before the encoder takes memory."""

    source_format: str
    frames: list[Image.Image]
    options: dict[str, Any]


def _decoded(file: BinaryIO, may_be_heavy: bool) -> _Picture:
    file.seek(0)
    source: Any = Image.open(file, formats=_READABLE)  # reads the header only
    if source.width * source.height > MAX_PIXELS:
        raise ImageTooManyPixels
    if not may_be_heavy and source.width * source.height > _LIGHT_PIXELS.get(source.format, 0):
        raise ImageTooComplex
    frames = _frames(source)
    if len(frames) > 1:
        return _Picture(source.format, [frame for frame, _ in frames], _animation(source, [ms for _, ms in frames]))
    source.seek(0)
    # A JPEG decoder can leave out pixels that nobody needs.
    source.draft(None, _fitting(source.size, MAX_SIDE))
    image = _fit(_normal(source, _SAVED_AS[source.format][0]), MAX_SIDE)
    return _Picture(source.format, [_plain(_upright(image))], {})


def _may_move(source: Any) -> bool:
    return source.format in {"GIF", "WEBP"}


def _encoded(picture: _Picture) -> CleanImage:
    kind, extension, _, options = _SAVED_AS[picture.source_format]
    for _ in range(ENCODE_TRIES):
        out = BytesIO()
        first, *others = picture.frames
        more = {"save_all": True, "append_images": others} if others else {}
        first.save(out, kind, **options, **picture.options, **more)
        size = out.tell()
        if size <= MAX_BYTES:
            return CleanImage(out.getvalue(), extension, first.width, first.height)
        side = int(max(first.size) * 0.9 * sqrt(MAX_BYTES / size))
        picture = replace(picture, frames=[_fit(frame, side) for frame in picture.frames])
    raise ImageTooLarge


def _frames(source: Any) -> list[tuple[Image.Image, int]]:
    """Every frame with its milliseconds; nothing when it does not move, or has too many to keep."""
    if not _may_move(source) or not source.is_animated:
        return []
    frames: list[tuple[Image.Image, int]] = []
    pixels = 0
    for frame in ImageSequence.Iterator(source):
        pixels += frame.width * frame.height
        if len(frames) == MAX_FRAMES or pixels > MAX_ANIMATION_PIXELS:
            return []
        frames.append((_plain(_fit(frame.convert("RGBA"), MAX_SIDE)), _milliseconds(frame)))
    return frames


def _milliseconds(frame: Image.Image) -> int:
    duration = frame.info.get("duration", 0)
    return min(max(int(duration), 0), 60_000)


def _animation(source: Any, durations: list[int]) -> dict[str, Any]:
    options: dict[str, Any] = {"duration": durations}
    if "loop" in source.info:
        options["loop"] = min(max(int(source.info["loop"]), 0), 65_535)
    if source.format == "GIF":
        options["disposal"] = 2  # frames are whole pictures: what is transparent in one must not show the last
    return options


def _normal(image: Image.Image, kind: str) -> Image.Image:
    """Bring ``image`` into a mode that ``kind`` can hold."""
    image.load()
    if image.mode in _MODES[kind]:
        return image
    if image.mode.startswith("I"):  # 16 bits a pixel: Pillow would clip them, not scale
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    has_alpha = image.has_transparency_data and kind != "JPEG"
    return image.convert("RGBA" if has_alpha else "RGB")


def _fit(image: Image.Image, side: int) -> Image.Image:
    """Scale ``image`` down until neither side is longer than ``side``."""
    if max(image.size) <= side:
        return image
    # Of colours in a palette, or of one that stands for "transparent", there is no mean.
    if "transparency" in image.info:
        image = image.convert("RGBA")
    elif image.mode in {"1", "P"}:
        image = image.convert("L" if image.mode == "1" else "RGB")
    return image.resize(_fitting(image.size, side), Image.Resampling.BICUBIC, reducing_gap=1.0)


def _fitting(size: tuple[int, int], side: int) -> tuple[int, int]:
    factor = min(1.0, side / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # unreadable EXIF says nothing about the pixels
        return image


def _plain(image: Image.Image) -> Image.Image:
    # Encoders write comments, profiles and more out of `info`; the transparent colour is part of the picture.
    image.info = {name: value for name, value in image.info.items() if name == "transparency"}
    return image
