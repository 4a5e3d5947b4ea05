"""The sandbox's only merchant, and the provider's own key."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import cast

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.conf import settings

from sandbox.keys import merchant_folder, sandbox_settings


@dataclass(frozen=True)
class KnownMerchant:
    """What the provider knows: the merchant's secrets and public key, and the provider's own key."""

    appid: str
    mini_appid: str
    mch_id: str
    api_key: str
    v3_key: bytes
    serial: str
    public_key: RSAPublicKey
    public_key_id: str
    platform_key: RSAPrivateKey

    @property
    def appids(self) -> tuple[str, str]:
        """Return the apps that may take money for this merchant."""
        return self.appid, self.mini_appid


def merchant() -> KnownMerchant:
    """Return the sandbox's merchant, even if the environment names a real one."""
    return _load(Path(settings.STATE_DIR) / "sandbox")


@lru_cache(maxsize=4)
def _load(folder: Path) -> KnownMerchant:
    values, home = sandbox_settings(folder), merchant_folder(folder)
    return KnownMerchant(
        appid=values["WECHAT_APP_ID"],
        mini_appid=values["WECHAT_MINI_APP_ID"],
        mch_id=values["WECHAT_PAY_MCH_ID"],
        api_key=values["WECHAT_PAY_API_KEY"],
        v3_key=values["WECHAT_PAY_V3_KEY"].encode(),
        serial=values["WECHAT_PAY_CERT_SERIAL"],
        public_key=_private(home / "merchant_key.pem").public_key(),
        public_key_id=values["WECHAT_PAY_PUBLIC_KEY_ID"],
        platform_key=_private(home / "platform_key.pem"),
    )


def _private(path: Path) -> RSAPrivateKey:
    return cast(RSAPrivateKey, load_pem_private_key(path.read_bytes(), password=None))
