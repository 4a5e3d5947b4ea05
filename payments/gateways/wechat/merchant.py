"""The merchant's values, read from the settings once per call."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from django.conf import settings

from payments.errors import MerchantUnknown, PaymentNotConfigured


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
