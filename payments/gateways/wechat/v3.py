"""WeChat Pay v3 (JSON). wechatpayv3 signs; sending, verifying and opening what is sealed are done here.

Its own transport would follow redirects, read without limit, verify re-decoded text, and download certificates
whenever a forger names an unknown serial.
"""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import load_pem_x509_certificate
from wechatpayv3.utils import build_authorization

from core import times
from core.http import Answer
from payments.errors import BillEmpty, PaymentNotConfigured, ProviderDown, ProviderUntrusted, WeChatRefused
from payments.gateways.base import Bill, PaymentResult, RefundResult
from payments.gateways.wechat.bill import read_bill
from payments.gateways.wechat.keys import Keyring, read_key
from payments.gateways.wechat.merchant import Merchant
from payments.gateways.wechat.shared import is_number, plain, plausible_time, refusal, send

SIGNATURE_TYPE = "WECHATPAY2-SHA256-RSA2048"
MAX_AGE_S = 300
REASON_BYTES = 80
BILL_TIMEOUT_S = 60
MAX_BILL_BYTES = 32 * 1024 * 1024  # some 100,000 rows
_DOWNLOADS = "/v3/billdownload/"
_SUCCESS = {200, 204}
PAID_STATES = {"SUCCESS", "REFUND"}
_ORDERS = "/v3/pay/transactions/out-trade-no"
_REFUNDS = "/v3/refund/domestic/refunds"


def signature_problem(keys: Keyring, headers: Mapping[str, str], body: bytes, at: float) -> str:
    """Say what is wrong with the signature of an answer or notification; ``""`` when it is authentic.

    :param at: when it came in, seconds since 1970: a stamp more than five minutes away from it is refused.
    """
    if headers.get("Wechatpay-Signature-Type", SIGNATURE_TYPE) != SIGNATURE_TYPE:
        return "不支持的签名类型"
    stamp, nonce = headers.get("Wechatpay-Timestamp", ""), headers.get("Wechatpay-Nonce", "")
    if not re.fullmatch(r"[0-9]{1,12}", stamp) or abs(at - int(stamp)) > MAX_AGE_S:
        return "时间戳无效或已过期"
    key = keys.find(headers.get("Wechatpay-Serial", ""))
    if key is None:
        return "未知的证书序列号"
    try:
        signature = base64.b64decode(headers.get("Wechatpay-Signature", ""))
        key.verify(signature, f"{stamp}\n{nonce}\n".encode() + body + b"\n", PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError):
        return "签名错误"  # as of a probe: WECHATPAY/SIGNTEST/...
    return ""


class WeChatV3:
    """Made once per merchant and process, and safe between threads."""

    def __init__(self, who: Merchant) -> None:
        who.need("appid", "mch_id", "v3_key", "cert_serial", "private_key_file")
        if len(who.v3_key.encode()) != 32:
            raise PaymentNotConfigured("WECHAT_PAY_V3_KEY must be 32 bytes long")
        self.who = who
        self.keys = Keyring(who)
        self._private_key = read_key(who.private_key_file, "PRIVATE")

    def query(self, out_trade_no: str) -> PaymentResult:
        content = self._call("GET", f"{_ORDERS}/{_plain(out_trade_no)}?mchid={self.who.mch_id}")
        return read_transaction(content, self.who.mch_id, appids=self.who.appids, out_trade_no=out_trade_no)

    def close(self, out_trade_no: str) -> None:
        self._call("POST", f"{_ORDERS}/{_plain(out_trade_no)}/close", {"mchid": self.who.mch_id})

    def refund(
        self, *, out_refund_no: str, transaction_id: str, refund_fen: int, total_fen: int, reason: str, notify_url: str
    ) -> RefundResult:
        """Request a refund of a part or all of a payment. A repeat with the same number moves no more money."""
        data = {
            "out_refund_no": out_refund_no,
            "amount": {"refund": refund_fen, "total": total_fen, "currency": "CNY"},
            "transaction_id": transaction_id,
            "notify_url": notify_url,
        }
        if text := plain(reason, REASON_BYTES):
            data["reason"] = text
        return read_refund(self._call("POST", _REFUNDS, data), "status", out_refund_no)

    def refund_query(self, out_refund_no: str) -> RefundResult:
        return read_refund(self._call("GET", f"{_REFUNDS}/{_plain(out_refund_no)}"), "status", out_refund_no)

    def bill(self, day: date) -> Bill:
        """Fetch the day's bill of payments and refunds (交易账单), which the provider makes by 10:00 of the next day.

        :raises BillNotReady: it is not made yet.
        """
        try:
            content = self._call("GET", f"/v3/bill/tradebill?bill_date={day}&bill_type=ALL")
        except BillEmpty:
            return Bill(day)
        if not isinstance(content, dict) or content.get("hash_type") != "SHA1":
            raise ProviderUntrusted("the answer names no bill")
        raw = self._download(str(content.get("download_url", "")))
        digest = hashlib.sha1(raw, usedforsecurity=False).hexdigest()
        if digest != str(content.get("hash_value", "")).lower():
            raise ProviderUntrusted("the bill's digest differs")
        return Bill(day, tuple(read_bill(raw, self.who.mch_id)), digest)

    def decrypt(self, sealed: Mapping[str, str]) -> bytes:
        """Open what the provider has sealed with our APIv3 key.

        :raises ValueError: another key has sealed it, or it is not whole.
        """
        try:
            about = (sealed.get("associated_data") or "").encode()
            ciphertext = base64.b64decode(sealed["ciphertext"])
            return AESGCM(self.who.v3_key.encode()).decrypt(sealed["nonce"].encode(), ciphertext, about)
        except (KeyError, TypeError, AttributeError, InvalidTag) as error:
            raise ValueError("sealed with another key, or not whole") from error

    def refresh_certificates(self) -> None:
        """Download the platform certificates.

        The answer needs no signature: only WeChat Pay and we know the APIv3 key that encrypts the certificates.
        """
        answer = self._send("GET", "/v3/certificates")
        if answer.status_code == 404:  # of an account with a public key alone; it says nothing about any order
            raise PaymentNotConfigured("no platform certificates there: set WECHAT_PAY_PUBLIC_KEY_ID and _FILE")
        try:
            entries = orjson.loads(_require_success(answer).body)["data"]
            pems = {entry["serial_no"]: self._certificate(entry) for entry in entries}
        except (ValueError, KeyError, TypeError) as error:
            raise ProviderUntrusted("no list of certificates") from error
        self.keys.store(pems)

    def _certificate(self, entry: Mapping[str, Any]) -> bytes:
        pem = self.decrypt(entry["encrypt_certificate"])
        if int(entry["serial_no"], 16) != load_pem_x509_certificate(pem).serial_number:
            raise ValueError("another certificate than the entry says")
        return pem

    def _call(self, method: str, path: str, data: dict[str, Any] | None = None) -> Any:
        """Send, verify; return the JSON of the answer. In certificate mode the first call downloads certificates."""
        if self.keys.is_empty:
            self.refresh_certificates()
        answer = self._send(method, path, data)
        # WeChat Pay sends errors and 202 unsigned. They change nothing, so accept that; a signature must be valid.
        is_signed = answer.status_code in _SUCCESS or answer.headers.get("Wechatpay-Signature")
        now_s = times.now().timestamp()
        if is_signed and (problem := signature_problem(self.keys, answer.headers, answer.body, now_s)):
            raise ProviderUntrusted(f"the answer is not authentic: {problem}")
        body = _require_success(answer).body
        try:
            return orjson.loads(body) if body else {}
        except ValueError:
            raise ProviderUntrusted("the answer is no JSON") from None

    def _send(self, method: str, path: str, data: dict[str, Any] | None = None, **limits: Any) -> Answer:
        """Sign and send. The signature covers ``path`` alone, wherever the base URL leads."""
        who, body = self.who, orjson.dumps(data).decode() if data else ""
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "Authorization": build_authorization(path, method, who.mch_id, who.cert_serial, self._private_key, body),
        }
        if self.keys.public_key_id:  # the key with which WeChat shall sign its answer
            headers["Wechatpay-Serial"] = self.keys.public_key_id
        return send(method, who.base_url + path, headers=headers, body=body, **limits)

    def _download(self, url: str) -> bytes:
        """Fetch a bill from where a signed answer says it is. The file itself is unsigned: its digest proves it."""
        _, place, token = url.partition(_DOWNLOADS)  # the provider names its own host, whichever of its hosts we call
        if not place:
            raise ProviderUntrusted("the bill is said to be somewhere else")
        answer = self._send("GET", place + token, total_s=BILL_TIMEOUT_S, max_bytes=MAX_BILL_BYTES)
        return _require_success(answer).body


def _require_success(answer: Answer) -> Answer:
    """Return the answer.

    :raises GatewayError: it is an error of WeChat's.
    :raises ProviderDown: it is a page of a proxy, which knows nothing: its 404 does not say that an order or a
        refund does not exist.
    """
    status = answer.status_code
    if status in _SUCCESS:
        return answer
    try:
        content = orjson.loads(answer.body)
        name, message = content["code"], str(content.get("message", ""))
        if not re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
            raise ValueError("no code of WeChat's")
    except (ValueError, TypeError, KeyError):
        raise ProviderDown(f"HTTP {status}") from None
    raise refusal(name, message, status)


def _plain(number: str) -> str:
    """Check a number that goes into the signed path, where a slash or ``?`` would change the call."""
    if not is_number(number) or "|" in number:
        raise WeChatRefused("PARAM_ERROR", "not a number of ours")
    return number


def read_transaction(
    content: Any, mch_id: str, *, appids: Sequence[str] = (), out_trade_no: str | None = None
) -> PaymentResult:
    """Read the transaction object of a query's answer or a notification.

    :param appids: which app it must be about, like ``out_trade_no``; () and None where that is not known yet.
    :raises ProviderUntrusted: it is about another merchant or order, or lacks what a paid order must say.
    """
    if not isinstance(content, dict) or not isinstance(content.get("trade_state"), str):
        raise ProviderUntrusted("the answer has no trade_state")
    if content.get("mchid", mch_id) != mch_id or (appids and content.get("appid", appids[0]) not in appids):
        raise ProviderUntrusted("the answer is for another merchant")
    number = content.get("out_trade_no", out_trade_no)
    if not is_number(number) or (out_trade_no is not None and number != out_trade_no):
        raise ProviderUntrusted("the answer is about another order")
    result = PaymentResult(number, content["trade_state"], str(content.get("appid", "")), mch_id, answer=content)
    if result.trade_state not in PAID_STATES:
        return result
    amount, transaction_id = content.get("amount"), content.get("transaction_id")
    if not isinstance(amount, dict) or type(amount.get("total")) is not int or not is_number(transaction_id, 32):
        raise ProviderUntrusted("the answer lacks amount or transaction_id")
    return replace(
        result,
        mch_id=str(content.get("mchid", "")),
        paid_fen=amount["total"],
        currency=str(amount.get("currency") or "CNY"),
        transaction_id=transaction_id,
        paid_at=read_time(content.get("success_time")),
        trade_type=str(content.get("trade_type", "")),
    )


def read_refund(content: Any, status_key: str, out_refund_no: str | None = None) -> RefundResult:
    """Read the refund object of an answer (``status``) or a notification (``refund_status``).

    :raises ProviderUntrusted: it is about another refund, or lacks what a refund must say.
    """
    amount = content.get("amount") if isinstance(content, dict) else None
    if not isinstance(amount, dict):
        raise ProviderUntrusted("the answer has no amount")
    texts = [content.get(name) for name in ("out_refund_no", status_key, "out_trade_no")]
    refund_fen, total_fen = amount.get("refund"), amount.get("total")
    if not all(is_number(t) for t in texts) or type(refund_fen) is not int or type(total_fen) is not int:
        raise ProviderUntrusted("the answer lacks what a refund must say")
    if out_refund_no is not None and texts[0] != out_refund_no:
        raise ProviderUntrusted("the answer is about another refund")
    return RefundResult(
        out_trade_no=texts[2],
        out_refund_no=texts[0],
        status=texts[1],
        refund_fen=refund_fen,
        total_fen=total_fen,
        mch_id=str(content.get("mchid", "")),
        refund_id=content["refund_id"] if is_number(content.get("refund_id")) else "",
        refunded_at=read_time(content.get("success_time")),
        received_by=str(content.get("user_received_account") or "")[:64],
        accepted_at=read_time(content.get("create_time")),
        funds_account=str(content.get("funds_account") or "")[:32],
    )


def read_time(text: Any) -> datetime | None:
    """Read RFC 3339; a time without a zone, or none at all, is none."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return plausible_time(moment) if moment.tzinfo else None
