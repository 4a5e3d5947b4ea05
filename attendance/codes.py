"""The codes that a projector shows: signed, and kept nowhere.

Any process checks them, also after Valkey has lost everything. A code says its session and its moment, so no two are
the same and none comes back.
"""

from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.core import signing
from django.utils.crypto import constant_time_compare, get_random_string, salted_hmac

from core.times import epoch_ms

CODE_TTL = timedelta(seconds=10)
_MAC_LENGTH = 20  # hexadecimal digits: short, because each one makes the squares of the QR code smaller


def sign_code_make(session_pk: int, now: datetime) -> str:
    text = "-".join((signing.b62_encode(session_pk), signing.b62_encode(epoch_ms(now)), get_random_string(4)))
    return f"{text}-{_mac(text, settings.SECRET_KEY)}"


def code_read(code: str, now: datetime) -> int:
    """Return the session's key of a code that is not older than ``CODE_TTL``; 0, which is none, for any other text."""
    text, _, mac = code.rpartition("-")
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    if not any(constant_time_compare(mac, _mac(text, key)) for key in keys):
        return 0
    pk, moment = (signing.b62_decode(part) for part in text.split("-")[:2])
    age = now - datetime.fromtimestamp(moment / 1000, UTC)
    return pk if age < CODE_TTL else 0


def _mac(text: str, key: str) -> str:
    return salted_hmac("attendance.code", text, secret=key, algorithm="sha256").hexdigest()[:_MAC_LENGTH]
