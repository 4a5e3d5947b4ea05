"""The merchant's values, read from the settings once per call, and the keys they name."""

import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from django.conf import settings

from payments.errors import MerchantUnknown, PaymentNotConfigured

CERTIFICATES_FRESH_S = 12 * 3600  # WeChat offers the next certificate a day before it signs with it


def _setting(name: str) -> Any:
    return field(metadata={"setting": f"WECHAT_{name}"}, repr=False)


@dataclass(frozen=True)
class Merchant:
    """Equal merchants have equal values, so a gateway can be kept for one."""

    base_url: str  # no slash at its end; may hold a path, which v3 signatures leave out
    appid: str = _setting("APP_ID")
    mini_appid: str = _setting("MINI_APP_ID")  # of the mini program, which takes money for the same merchant number
    mch_id: str = _setting("PAY_MCH_ID")
    api_key: str = _setting("PAY_API_KEY")
    sign_type: str = _setting("PAY_SIGN_TYPE")
    v3_key: str = _setting("PAY_V3_KEY")
    cert_serial: str = _setting("PAY_CERT_SERIAL")
    private_key_file: str = _setting("PAY_PRIVATE_KEY_FILE")
    public_key_id: str = _setting("PAY_PUBLIC_KEY_ID")
    public_key_file: str = _setting("PAY_PUBLIC_KEY_FILE")
    cert_dir: str = _setting("PAY_CERT_DIR")

    @property
    def appids(self) -> tuple[str, ...]:
        """Return the apps that an answer may be about; one, if it is about a payment whose app we know."""
        return (self.appid, self.mini_appid) if self.mini_appid else (self.appid,)

    @property
    def has_v3(self) -> bool:
        return bool(self.v3_key and self.private_key_file)

    def need(self, *names: str) -> None:
        """Check that the named values are set.

        :raises PaymentNotConfigured: one of them is empty.
        """
        if missing := [name for name in names if not getattr(self, name)]:
            raise PaymentNotConfigured("missing: " + ", ".join(_SETTINGS[name] for name in missing))


_SETTINGS: dict[str, str] = {one.name: one.metadata["setting"] for one in fields(Merchant) if one.metadata}


def merchant() -> Merchant:
    """Return the merchant that takes money now."""
    return _merchant({name: getattr(settings, name) for name in _SETTINGS.values()})


def merchants() -> list[Merchant]:
    """Return every merchant whose keys we have: the present one first, then the former ones."""
    return [merchant(), *(_merchant(values) for values in settings.WECHAT_PAY_FORMER_MERCHANTS)]


def merchant_of(appid: str, mch_id: str) -> Merchant:
    """Return the merchant that took a payment, with the payment's appid. Keys belong to the merchant number.

    :param appid: "" for a payment of which we do not know by which of our apps it was placed.
    :param mch_id: "" for a payment stored before this column existed: it is the present merchant's.
    :raises MerchantUnknown: we have no keys of that number.
    """
    if not mch_id:
        return merchant()
    for who in merchants():
        if who.mch_id == mch_id:
            return replace(who, appid=appid, mini_appid="") if appid else who
    raise MerchantUnknown(f"merchant {mch_id} is in none of the files of WECHAT_PAY_FORMER_MERCHANTS")


def _merchant(values: Mapping[str, str]) -> Merchant:
    own = {name: values.get(setting, "") for name, setting in _SETTINGS.items()}
    own["sign_type"] = own["sign_type"] or "MD5"
    return Merchant(base_url=settings.WECHAT_PAY_BASE_URL.rstrip("/"), **own)


def read_key(path: str, label: Literal["PRIVATE", "PUBLIC"]) -> Any:
    """Read the merchant's private or the provider's public RSA key, in any common form.

    :raises PaymentNotConfigured: no such file, or not such a key.
    """
    try:
        text = Path(path).read_text("utf-8").strip()
        if "-----BEGIN" not in text:  # the console also hands keys out as bare base64
            text = f"-----BEGIN {label} KEY-----\n{text}\n-----END {label} KEY-----\n"
        key = load_pem_private_key(text.encode(), None) if label == "PRIVATE" else load_pem_public_key(text.encode())
        if not isinstance(key, RSAPrivateKey | RSAPublicKey):
            raise ValueError("not an RSA key")
    except (OSError, ValueError, TypeError) as error:
        raise PaymentNotConfigured(f"WECHAT_PAY_{label}_KEY_FILE: {type(error).__name__}") from None
    return key


class Keyring:
    """The provider's keys by serial: its public key, its platform certificates on disk, or both while it switches."""

    def __init__(self, who: Merchant) -> None:
        self.public_key_id = ""
        self._public_key: RSAPublicKey | None = None
        if who.public_key_id and who.public_key_file:
            self.public_key_id = who.public_key_id
            self._public_key = read_key(who.public_key_file, "PUBLIC")
        elif not who.cert_dir:
            raise PaymentNotConfigured("set WECHAT_PAY_PUBLIC_KEY_ID and _FILE, or WECHAT_PAY_CERT_DIR")
        self._cert_dir = Path(who.cert_dir) if who.cert_dir else None

    @property
    def certificates_due(self) -> bool:
        """Tell whether to download certificates: there is none, or the last download was 12 hours ago."""
        if self._cert_dir is None:
            return False
        return not self.certificates() or time.time() - self._cert_dir.stat().st_mtime > CERTIFICATES_FRESH_S

    @property
    def is_empty(self) -> bool:
        return self._public_key is None and not self.certificates()

    def certificates(self) -> list[x509.Certificate]:
        """Return the certificates that are valid now; the one that ends last is the last.

        The directory is read each time, because the worker renews what all processes need; that takes 0.2 ms.
        """
        certificates, now = [], datetime.now(UTC)
        for file in self._cert_dir.glob("*.pem") if self._cert_dir else ():
            # Another file of the merchant's may lie there: its own key, a half copy.
            with suppress(OSError, ValueError):
                certificates.append(x509.load_pem_x509_certificate(file.read_bytes()))
        valid = [one for one in certificates if one.not_valid_before_utc <= now <= one.not_valid_after_utc]
        return sorted(valid, key=attrgetter("not_valid_after_utc"))

    def find(self, serial: str) -> RSAPublicKey | None:
        """Return the key that a signature names, or None. Never downloads one, since a forger may name any serial."""
        if self._public_key is not None and serial == self.public_key_id:
            return self._public_key
        for certificate in self.certificates():
            key = certificate.public_key()
            if f"{certificate.serial_number:X}" == serial.upper().lstrip("0") and isinstance(key, RSAPublicKey):
                return key
        return None

    def store(self, pem_by_serial: dict[str, bytes]) -> None:
        """Write downloaded certificates to disk, where every process finds them."""
        if self._cert_dir is None:
            return
        self._cert_dir.mkdir(parents=True, exist_ok=True)
        for serial, pem in pem_by_serial.items():
            whole = self._cert_dir / f".{serial}.{secrets.token_hex(4)}.part"  # two may download at once
            whole.write_bytes(pem)
            whole.replace(self._cert_dir / f"{serial}.pem")
