"""Make the keys of the sandbox's only merchant, once per working copy, so that the repository holds no key.

The settings read the merchant's values; the ``sandbox`` app, which plays the provider, all of them and both keys.
"""

import json
import secrets
import tempfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import cast

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from django.conf import settings
from django.utils.crypto import get_random_string

# The values of the API document's example, so that its request can be sent unchanged.
APP_ID = "wxed58e834201d0894"
MCH_ID = "1568650321"
MINI_APP_ID = "wxd0e83c2f9b517a64"
NOTICE_TEMPLATE = "SMS_154950909"
DIGITS = "0123456789"
MERCHANT_KEY, PLATFORM_KEY = "merchant_key.pem", "platform_key.pem"
_FILES = {"WECHAT_PAY_PRIVATE_KEY_FILE": MERCHANT_KEY, "WECHAT_PAY_PUBLIC_KEY_FILE": "platform_public_key.pem"}


def sandbox_values() -> dict[str, str]:
    """Return the merchant's values by the names of the settings, even if the environment names a real merchant."""
    return sandbox_settings(Path(settings.STATE_DIR) / "sandbox")


def private_key(file: str) -> RSAPrivateKey:
    """Return ``MERCHANT_KEY``, or ``PLATFORM_KEY``, the provider's own."""
    return _key(Path(sandbox_values()["WECHAT_PAY_PRIVATE_KEY_FILE"]).with_name(file))


@lru_cache(maxsize=8)
def _key(path: Path) -> RSAPrivateKey:
    return cast(RSAPrivateKey, load_pem_private_key(path.read_bytes(), password=None))


def sandbox_settings(folder: Path) -> dict[str, str]:
    """Return the merchant's values by the names of the settings. Make the merchant if there is none yet."""
    # Raise the number when the folder's content changes, so that existing working copies make a new merchant.
    home = folder / "merchant-3"
    if not home.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as draft:  # 0700
            _write_merchant(Path(draft))
            # Renaming makes the whole folder appear at once. If two processes do it, both use the folder of the first.
            with suppress(OSError):
                Path(draft).rename(home)
    values: dict[str, str] = json.loads((home / "merchant.json").read_text("utf-8"))
    return values | {name: str(home / file) for name, file in _FILES.items()}


def _write_merchant(folder: Path) -> None:
    files = {"merchant.json": json.dumps(_values(), indent=2).encode()}
    for name in (MERCHANT_KEY, PLATFORM_KEY):
        key = generate_private_key(public_exponent=65537, key_size=2048)
        files[name] = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    files["platform_public_key.pem"] = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for name, content in files.items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_bytes(content)


def _values() -> dict[str, str]:
    return {
        "WECHAT_APP_ID": APP_ID,
        "WECHAT_APP_SECRET": secrets.token_hex(16),
        "WECHAT_MINI_APP_ID": MINI_APP_ID,
        "WECHAT_MINI_APP_SECRET": secrets.token_hex(16),
        "WECHAT_PAY_MCH_ID": MCH_ID,
        "WECHAT_PAY_API_KEY": get_random_string(32),
        "WECHAT_PAY_V3_KEY": get_random_string(32),
        "WECHAT_PAY_CERT_SERIAL": secrets.token_hex(20).upper(),
        "WECHAT_PAY_PUBLIC_KEY_ID": "PUB_KEY_ID_01" + get_random_string(30, DIGITS),
        "WEATHER_APP_ID": get_random_string(8, DIGITS),
        "WEATHER_APP_SECRET": get_random_string(8),
        "SMS_ACCESS_KEY_ID": "LTAI" + get_random_string(20),
        "SMS_ACCESS_KEY_SECRET": get_random_string(30),
        "SMS_SIGN_NAME": "沙箱学院",
        "SMS_TEMPLATE_CODE": "SMS_" + get_random_string(9, DIGITS),
        "SMS_NOTICE_TEMPLATE_CODE": NOTICE_TEMPLATE,
    }
