"""The keys of APIv3: the merchant's own, with which we sign, and the provider's, with which we check."""

import secrets
import time
from contextlib import suppress
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from payments.errors import PaymentNotConfigured
from payments.gateways.wechat.merchant import Merchant

CERTIFICATES_FRESH_S = 12 * 3600  # WeChat offers the next certificate a day before it signs with it


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
