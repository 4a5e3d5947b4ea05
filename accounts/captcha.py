"""Captchas: django-simple-captcha draws the picture, Valkey keeps the text. Each can be tried once.

``services/login.py`` and ``services/sms_codes.py`` decide when one is asked for.
"""

import base64
import secrets
from types import SimpleNamespace
from typing import Any, NamedTuple

from django.conf import settings
from django.utils.crypto import get_random_string

from core.cache.valkey import client

LIFETIME_S = 300
# Without characters that look alike when rotated (0OQ, 1ILJ7, 2Z, 5S, 6G, 8B, XY), and without the wide M and W.
# Clients refuse to send 0, o, 1 and i.
ALPHABET = "ACDEFHKNPRTUY349"
KEY_LENGTH = 32


class CaptchaAnswer(NamedTuple):
    """What a caller sends with a call that may ask for a captcha.

    Old clients send the answer to ``/users/verifyCaptcha`` only: then ``text`` is empty, and that answer counts once.
    """

    key: str = ""
    text: str = ""

    def is_given(self) -> bool:
        return bool(self.text) or bool(client().exists(_passed_key(self.key)))

    def spend(self) -> bool:
        """Use the captcha up, and tell whether the answer is right."""
        if self.text:
            return captcha_solve(key=self.key, answer=self.text)
        return bool(client().delete(_passed_key(self.key)))


NO_ANSWER = CaptchaAnswer()


def captcha_make() -> tuple[str, str]:
    """Draw a new captcha; return its key and the picture as one SVG element."""
    text = "".join(secrets.choice(ALPHABET) for _ in range(settings.CAPTCHA_LENGTH))
    key = get_random_string(KEY_LENGTH)
    client().set(_valkey_key(key), text.lower(), ex=LIFETIME_S)
    return key, _svg(_png(text))


def captcha_solve(*, key: str, answer: str) -> bool:
    """Tell whether ``answer`` is right, and use the captcha up. If two answers come at once, only one can be right."""
    if len(key) != KEY_LENGTH or not key.isalnum() or not answer:
        return False
    text = client().getdel(_valkey_key(key))
    return text is not None and secrets.compare_digest(text, answer.strip().lower().encode())


def captcha_verify(*, key: str, answer: str) -> bool:
    """Do as ``captcha_solve``, and remember a right answer for the next call with this key that asks for a captcha."""
    is_right = captcha_solve(key=key, answer=answer)
    if is_right:
        client().set(_passed_key(key), 1, ex=LIFETIME_S)
    return is_right


def noise_specks(draw: Any, image: Any) -> Any:
    """Draw a few dots over the captcha (CAPTCHA_NOISE_FUNCTIONS). The library's own function draws four times more."""
    width, height = image.size
    for _ in range(width * height // 40):
        draw.point((secrets.randbelow(width), secrets.randbelow(height)), fill=settings.CAPTCHA_FOREGROUND_COLOR)
    return draw


def _png(text: str) -> bytes:
    # Here, because it loads Pillow with its fonts (3 MB in 10 ms), and most processes draw no captcha.
    from captcha.views import _captcha_image

    return _captcha_image(SimpleNamespace(challenge=text), 1).content


def _svg(png: bytes) -> str:
    width, height = settings.CAPTCHA_IMAGE_SIZE
    source = base64.b64encode(png).decode()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        f' role="img" aria-label="验证码"><image width="{width}" height="{height}"'
        f' href="data:image/png;base64,{source}"/></svg>'
    )


def _valkey_key(key: str) -> str:
    return f"spms:captcha:{key}"


def _passed_key(key: str) -> str:
    return f"spms:captcha:passed:{key[:KEY_LENGTH]}"
