"""Encrypt ("seal") the provider's secret for the database, with a key derived from SECRET_KEY."""

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.encoding import force_bytes


def seal(secret: str) -> str:
    """Return ``secret`` encrypted with the present SECRET_KEY."""
    return _cipher().encrypt(secret.encode()).decode()


def unseal(sealed: str) -> str:
    """Return the secret that :func:`seal` encrypted; "" if neither the present SECRET_KEY nor a former one opens it."""
    try:
        return _cipher().decrypt(sealed.encode()).decode()
    except InvalidToken:
        return ""


def _cipher() -> MultiFernet:
    # Derived keys: should one become known, SECRET_KEY and its other uses stay safe.
    keys = [force_bytes(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]
    fernet_keys = [HKDF(SHA256(), length=32, salt=None, info=b"weather account").derive(key) for key in keys]
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in fernet_keys])
