"""Turn the bytes that a caller sent into a harmless picture: decode it, and encode only its pixels again.

So whatever else a file holds is dropped: polyglots, metadata (GPS, colour profiles), unknown chunks.
This module uses Pillow and not Django, because it runs in the decoder's process (``uploads.decoder``).
"""

import re
import warnings
from io import BytesIO
from math import sqrt
from typing import Any, BinaryIO

from PIL import (  # noqa: F401  (some are loaded for what they register)
    Image,
    ImageOps,
    ImageSequence,
    MpoImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from core.errors import DomainError
from uploads.errors import ImageBroken, ImageRefused, ImageTooComplex, ImageTooLarge, ImageTooManyPixels
from uploads.limits import LIGHT_PIXELS, MAX_BYTES, MAX_PIXELS, CleanImage

# Of the stored picture: larger than any screen of today.
MAX_SIDE = 4_096
# Of all frames together. Of an animation that is larger or has more frames, only the first frame is kept.
MAX_ANIMATION_PIXELS = 25_000_000
MAX_FRAMES = 300
ENCODE_TRIES = 3
# A progressive JPEG has some 10 scans. Each one goes over the whole picture, even if it holds no bytes: 130,000 of them
# took 100 s in a file of 1.4 MB, 64 take 0.7 s.
MAX_SCANS = 64
_SCAN = re.compile(rb"\xff\xda\x00[\x08\x0a\x0c\x0e]")  # the marker and every length that libjpeg accepts

# Load Pillow's formats now: it would do so at the first picture, when the decoder's process may open no files.
Image.preinit()
# Pillow raises above twice this number, and also checks frames that are larger than their canvas.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2
warnings.simplefilter("ignore", Image.DecompressionBombWarning)

_READABLE = ("JPEG", "PNG", "GIF", "WEBP")
# Pillow's format -> (the format it is saved in, extension, options)
_SAVED_AS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "JPEG": ("JPEG", "jpg", {"quality": 88}),
    "MPO": ("JPEG", "jpg", {"quality": 88}),  # a JPEG of a phone with a second picture in it
    "PNG": ("PNG", "png", {}),
    "GIF": ("GIF", "gif", {"optimize": False}),
    "WEBP": ("WEBP", "webp", {"quality": 85, "method": 2}),
}
_MODES = {
    "JPEG": {"L", "RGB"},
    "PNG": {"1", "L", "LA", "P", "RGB", "RGBA"},
    "GIF": {"L", "P", "RGB", "RGBA"},
    "WEBP": {"RGB", "RGBA"},
}


def image_clean(file: BinaryIO, *, may_be_heavy: bool = True) -> CleanImage:
    """Decode a JPEG, PNG, GIF or WebP, recognised by its content, and encode it again.

    EXIF orientation is applied; metadata and colour profiles are dropped. A picture with a side above ``MAX_SIDE`` is
    scaled down, and further if it still takes more than ``MAX_BYTES``. Animations (GIF, WebP) are kept up to
    ``MAX_FRAMES`` and ``MAX_ANIMATION_PIXELS``.

    :param may_be_heavy: False if ``looks_heavy`` returned False; a picture that is heavy all the same is refused.
    :raises ImageRefused: no picture, broken, above ``MAX_PIXELS``, or it takes more memory than the process has.
    """
    try:
        return _encoded(*_decoded(file, may_be_heavy))
    except DomainError:
        raise
    except Image.DecompressionBombError:
        raise ImageTooManyPixels from None
    except UnidentifiedImageError:
        raise ImageRefused from None
    except MemoryError:
        raise ImageTooComplex from None
    except Exception as error:  # for broken files Pillow raises a dozen kinds of errors
        raise ImageBroken from error


def _decoded(file: BinaryIO, may_be_heavy: bool) -> tuple[str, list[Image.Image], dict[str, Any]]:
    """Return the format, the frames, and how they move.

    Keeping only the pixels frees the decoder's buffers before the encoder needs memory.
    """
    file.seek(0)
    source: Any = Image.open(file, formats=_READABLE)  # reads the header only, and refuses too many pixels
    if not may_be_heavy and source.width * source.height > LIGHT_PIXELS.get(source.format, 0):
        raise ImageTooComplex
    if source.format in {"JPEG", "MPO"} and _has_too_many_scans(file):
        raise ImageTooComplex
    frames = _frames(source)
    if len(frames) > 1:
        return source.format, [frame for frame, _ in frames], _motion(source, [ms for _, ms in frames])
    source.seek(0)
    # Lets the JPEG decoder scale down while it decodes, which saves time and memory.
    source.draft(None, _scaled_size(source.size, MAX_SIDE))
    image = _fit(_in_mode_for(source, _SAVED_AS[source.format][0]), MAX_SIDE)
    return source.format, [_without_metadata(_upright(image))], {}


def _has_too_many_scans(file: BinaryIO) -> bool:
    at = file.tell()
    file.seek(0)
    scans = _SCAN.findall(file.read())
    file.seek(at)
    return len(scans) > MAX_SCANS


def _encoded(source_format: str, frames: list[Image.Image], motion: dict[str, Any]) -> CleanImage:
    kind, extension, options = _SAVED_AS[source_format]
    for _ in range(ENCODE_TRIES):
        out = BytesIO()
        frames[0].save(out, kind, append_images=frames[1:], **options, **motion)
        size = out.tell()
        if size <= MAX_BYTES:
            return CleanImage(out.getvalue(), extension, frames[0].width, frames[0].height)
        side = int(max(frames[0].size) * 0.9 * sqrt(MAX_BYTES / size))
        frames = [_fit(frame, side) for frame in frames]
    raise ImageTooLarge


def _frames(source: Any) -> list[tuple[Image.Image, int]]:
    """Return every frame with its duration in ms; an empty list if it is no animation or has too many frames."""
    if source.format not in {"GIF", "WEBP"} or not source.is_animated:
        return []
    frames: list[tuple[Image.Image, int]] = []
    pixels = 0
    for frame in ImageSequence.Iterator(source):
        pixels += frame.width * frame.height
        if len(frames) == MAX_FRAMES or pixels > MAX_ANIMATION_PIXELS:
            return []
        image = _without_metadata(_fit(frame.convert("RGBA"), MAX_SIDE))
        frames.append((image, min(max(int(frame.info.get("duration", 0)), 0), 60_000)))
    return frames


def _motion(source: Any, durations: list[int]) -> dict[str, Any]:
    options: dict[str, Any] = {"save_all": True, "duration": durations}
    if "loop" in source.info:
        options["loop"] = min(max(int(source.info["loop"]), 0), 65_535)
    if source.format == "GIF":
        options["disposal"] = 2  # frames are whole pictures: the last one must not show through transparent pixels
    return options


def _in_mode_for(image: Image.Image, kind: str) -> Image.Image:
    """Convert ``image`` to a colour mode that the format ``kind`` supports."""
    image.load()
    if image.mode in _MODES[kind]:
        return image
    if image.mode.startswith("I"):  # 16 bits a pixel: Pillow would clip the values instead of scaling them
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    has_alpha = image.has_transparency_data and kind != "JPEG"
    return image.convert("RGBA" if has_alpha else "RGB")


def _fit(image: Image.Image, side: int) -> Image.Image:
    """Scale ``image`` down until neither side is longer than ``side``."""
    if max(image.size) <= side:
        return image
    # Scaling computes means of colours. Entries of a palette and a "transparent" colour have none, so convert first.
    if "transparency" in image.info:
        image = image.convert("RGBA")
    elif image.mode in {"1", "P"}:
        image = image.convert("L" if image.mode == "1" else "RGB")
    return image.resize(_scaled_size(image.size, side), Image.Resampling.BICUBIC, reducing_gap=1.0)


def _scaled_size(size: tuple[int, int], side: int) -> tuple[int, int]:
    factor = min(1.0, side / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # broken EXIF does not make the pixels unusable
        return image


def _without_metadata(image: Image.Image) -> Image.Image:
    # Pillow's encoders write comments and profiles from `info` into the file. Keep only the transparent colour.
    image.info = {name: value for name, value in image.info.items() if name == "transparency"}
    return image
