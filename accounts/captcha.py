"""Captchas: the picture by django-simple-captcha, the answer in Valkey, good for one try."""

import base64
import secrets
from types import SimpleNamespace
from typing import Any

from captcha.views import _captcha_image
from django.conf import settings

from core.cache.valkey import client
from core.ids import random_text

LIFETIME_S = 300
# No two that look alike when turned (0OQ, 1ILJ7, 2Z, 5S, 6G, 8B, XY), nor the wide MW: nobody has to guess.
ALPHABET = "ACDEFHKNPRTUY349"
KEY_LENGTH = 32


def captcha_make() -> tuple[str, str]:
    """Draw a new captcha; answer its key and the picture as one SVG element."""
    text = "".join(secrets.choice(ALPHABET) for _ in range(settings.CAPTCHA_LENGTH))
    key = random_text(KEY_LENGTH)
    client().set(_stored(key), text.lower(), ex=LIFETIME_S)
    return key, _svg(_captcha_image(SimpleNamespace(challenge=text), 1).content)


def captcha_solve(*, key: str, answer: str) -> bool:
    """Try ``answer``. Right or wrong, the captcha is spent, even if two try at once."""
    if len(key) != KEY_LENGTH or not key.isalnum() or not answer:
        return False
    kept = client().getdel(_stored(key))
    return kept is not None and secrets.compare_digest(kept, answer.strip().lower().encode())


def noise_specks(draw: Any, image: Any) -> Any:
    """Strew a few dots (a noise function of django-simple-captcha; its own makes four times as many)."""
    width, height = image.size
    for _ in range(width * height // 40):
        draw.point((secrets.randbelow(width), secrets.randbelow(height)), fill=settings.CAPTCHA_FOREGROUND_COLOR)
    return draw


def _svg(png: bytes) -> str:
    width, height = settings.CAPTCHA_IMAGE_SIZE
    source = base64.b64encode(png).decode()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        f' role="img" aria-label="验证码"><image width="{width}" height="{height}"'
        f' href="data:image/png;base64,{source}"/></svg>'
    )


def _stored(key: str) -> str:
    return f"spms:captcha:{key}"
