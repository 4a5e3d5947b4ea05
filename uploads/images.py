"""From the bytes somebody sent to a harmless picture: decoded, and written anew without anything else.

Re-encoding is what makes polyglots, metadata (GPS, colour profiles) and odd chunks vanish: only pixels pass.
"""

import warnings
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from threading import BoundedSemaphore
from typing import Any, BinaryIO

import structlog
from PIL import Image, ImageOps, ImageSequence

from core.errors import ServiceUnavailable
from uploads.errors import ImageBroken, ImageRefused, ImageTooManyPixels

log = structlog.get_logger("uploads")

MAX_PIXELS = 40_000_000
# All frames together; a longer animation is kept as its first frame.
MAX_ANIMATION_PIXELS = 25_000_000
MAX_FRAMES = 300
# A picture above this waits until the process decodes no other such: memory stays bounded.
LARGE_PIXELS = 4_000_000
LARGE_WAIT_S = 10
_large_slot = BoundedSemaphore(1)

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
    content_type: str
    width: int
    height: int


def image_clean(file: BinaryIO) -> CleanImage:
    """Read a JPEG, PNG, GIF or WebP, judged by content alone, and write it anew.

    EXIF orientation is applied; metadata and colour profiles are dropped; animations of GIF and WebP are kept
    up to ``MAX_FRAMES`` and ``MAX_ANIMATION_PIXELS``.

    :raises ImageRefused: not a picture, broken, or above ``MAX_PIXELS``.
    """
    try:
        with ExitStack() as held:
            return _encoded(_decoded(file, held))
    except (ImageRefused, ServiceUnavailable):
        raise
    except Image.DecompressionBombError:
        raise ImageTooManyPixels from None
    except Image.UnidentifiedImageError:
        raise ImageRefused from None
    except Exception as error:  # Pillow raises a dozen kinds for broken files: none of them is our fault
        log.info("image refused", reason=f"{type(error).__name__}: {error}"[:200])
        raise ImageBroken from None


@dataclass(frozen=True)
class _Picture:
    """Only pixels: the decoder and its buffers are gone before the encoder takes memory."""

    saved_as: tuple[str, str, str, dict[str, Any]]
    first: Image.Image
    animation: dict[str, Any]


def _decoded(file: BinaryIO, held: ExitStack) -> _Picture:
    file.seek(0)
    source = Image.open(file, formats=_READABLE)  # reads the header only
    if source.width * source.height > MAX_PIXELS:
        raise ImageTooManyPixels
    if source.width * source.height > LARGE_PIXELS or getattr(source, "is_animated", False):
        _take_large_slot(held)
    saved_as = _SAVED_AS[source.format or ""]
    kind = saved_as[0]
    frames = _frames(source) if kind in {"GIF", "WEBP"} else []
    if len(frames) > 1:
        return _Picture(saved_as, frames[0][0], _animation(source, frames))
    source.seek(0)
    return _Picture(saved_as, _normal(_upright(source), kind), {})


def _encoded(picture: _Picture) -> CleanImage:
    kind, extension, content_type, options = picture.saved_as
    out = BytesIO()
    picture.first.save(out, kind, **options, **picture.animation)
    return CleanImage(out.getvalue(), extension, content_type, picture.first.width, picture.first.height)


def _take_large_slot(held: ExitStack) -> None:
    if not _large_slot.acquire(timeout=LARGE_WAIT_S):
        raise ServiceUnavailable("图片处理繁忙,请稍后再试")
    held.callback(_large_slot.release)


def _frames(source: Image.Image) -> list[tuple[Image.Image, int]]:
    """Every frame with its milliseconds; nothing when there are too many to keep."""
    if not getattr(source, "is_animated", False):
        return []
    frames: list[tuple[Image.Image, int]] = []
    pixels = 0
    for frame in ImageSequence.Iterator(source):
        pixels += frame.width * frame.height
        if len(frames) == MAX_FRAMES or pixels > MAX_ANIMATION_PIXELS:
            return []
        frames.append((_plain(frame.convert("RGBA")), _milliseconds(frame)))
    return frames


def _milliseconds(frame: Image.Image) -> int:
    wanted = frame.info.get("duration", 0)
    return min(max(int(wanted), 0), 60_000)


def _animation(source: Image.Image, frames: list[tuple[Image.Image, int]]) -> dict[str, Any]:
    options: dict[str, Any] = {
        "save_all": True,
        "append_images": [frame for frame, _ in frames[1:]],
        "duration": [ms for _, ms in frames],
    }
    if "loop" in source.info:
        options["loop"] = min(max(int(source.info["loop"]), 0), 65_535)
    if source.format == "GIF":
        options["disposal"] = 2  # frames are whole pictures: what is transparent in one must not show the last
    return options


def _upright(source: Image.Image) -> Image.Image:
    source.load()
    try:
        return ImageOps.exif_transpose(source)
    except Exception:  # unreadable EXIF says nothing about the pixels
        return source


def _normal(image: Image.Image, kind: str) -> Image.Image:
    """Bring ``image`` into a mode that ``kind`` can hold."""
    if image.mode in _MODES[kind]:
        return _plain(image)
    if image.mode.startswith("I"):  # 16 bits a pixel: Pillow would clip them, not scale
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    has_alpha = image.has_transparency_data and kind != "JPEG"
    return _plain(image.convert("RGBA" if has_alpha else "RGB"))


def _plain(image: Image.Image) -> Image.Image:
    # Encoders write comments, profiles and more out of `info`; the transparent colour is part of the picture.
    image.info = {name: value for name, value in image.info.items() if name == "transparency"}
    return image
