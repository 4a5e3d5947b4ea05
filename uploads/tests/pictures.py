"""Pictures and near-pictures for the tests."""

from io import BytesIO
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image


def encoded(
    kind: str = "PNG", size: tuple[int, int] = (40, 30), mode: str = "RGB", color: Any = 0, **options: Any
) -> bytes:
    out = BytesIO()
    Image.new(mode, size, color).save(out, kind, **options)
    return out.getvalue()


def animation(kind: str = "GIF", frames: int = 3, size: tuple[int, int] = (20, 20), **options: Any) -> bytes:
    pictures = [Image.new("RGB", size, ((37 * n) % 256, (91 * n) % 256, 9)) for n in range(frames)]
    out = BytesIO()
    pictures[0].save(out, kind, save_all=True, append_images=pictures[1:], duration=80, **options)
    return out.getvalue()


def posted(content: bytes, name: str = "a.png", content_type: str = "image/png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content, content_type)
