"""WeChat Pay v3 (JSON), through wechatpayv3: what it leaves open is done here.

wechatpayv3 composes, signs and decrypts. Its transport would follow redirects, read without limit, verify re-decoded
text, and download certificates whenever a forger names an unknown serial; ``_Core`` replaces those parts.
"""

import hashlib
import re
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any
from urllib.parse import urlsplit

import orjson
from wechatpayv3 import WeChatPay, WeChatPayType
from wechatpayv3.core import Core
from wechatpayv3.type import RequestType
from wechatpayv3.utils import aes_decrypt, build_authorization, load_certificate, rsa_encrypt, rsa_verify

from core import times
from payments.gateways.base import (
    BankCard,
    Bill,
    BillNotReady,
    Gateway,
    GatewayError,
    GatewayMisconfigured,
    GatewayRefused,
    GatewayUnreachable,
    GatewayUntrusted,
    PaymentResult,
    RefundIntent,
    RefundResult,
)
from payments.gateways.wechat.bill import read_bill
from payments.gateways.wechat.http import USER_AGENT, BoundedSession
from payments.gateways.wechat.merchant import Keyring, Merchant, private_key_pem
from payments.gateways.wechat.refusals import is_number, is_transaction_id, refusal, storable
from payments.gateways.wechat.texts import plain

SIGNATURE_TYPE = "WECHATPAY2-SHA256-RSA2048"
MAX_AGE_S = 300
BOOTSTRAP_PAUSE_S = 60
REASON_BYTES = 80
BILL_TIMEOUT_S = 60
MAX_BILL_BYTES = 32 * 1024 * 1024  # some 100,000 rows
_DOWNLOADS = "/v3/billdownload/"
_CERTIFICATES = "/v3/certificates"


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
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return "报文不是UTF-8"
    # A probe (WECHATPAY/SIGNTEST/...) fails here like any other wrong signature.
    return "" if rsa_verify(stamp, nonce, text, headers.get("Wechatpay-Signature", ""), key) else "签名错误"


class _Core(Core):
    """The library's core with our transport and our keys, and without its own downloads of certificates."""

    def __init__(self, who: Merchant, keys: Keyring) -> None:
        super().__init__(who.mch_id, who.cert_serial, private_key_pem(who.private_key_file), who.v3_key)
        self._gate_way = who.base_url
        self._keys = keys
        # Sent with each request, so that WeChat signs its answer with the key that we have.
        self._public_key_id = None if keys.uses_certificates else who.public_key_id

    def _init_certificates(self) -> None:
        pass

    def _update_certificates(self) -> None:
        pass

    def encrypt(self, text: str) -> str:
        return rsa_encrypt(text, self._keys.encryption_key()[1])

    def request(
        self,
        path: str,
        method: RequestType = RequestType.GET,
        data: Any = None,
        skip_verify: bool = False,
        cipher_data: bool = False,
        **_: Any,
    ) -> tuple[int, str]:
        """Sign, send, verify. The signature covers ``path`` alone, wherever the base URL leads.

        :param cipher_data: ``data`` holds what ``encrypt`` made: the header then names the key.
        """
        body = orjson.dumps(data).decode() if data else ""
        headers = self._headers(path, method, body)
        if cipher_data:
            headers["Wechatpay-Serial"] = self._keys.encryption_key()[0]
        with BoundedSession() as session:
            answer = session.request(method.value, self._gate_way + path, data=body.encode() or None, headers=headers)
        if not skip_verify:
            self._verify(answer.status_code, answer.headers, answer.content)
        if answer.status_code not in {200, 204}:
            raise _refused(answer.status_code, answer.content)
        return answer.status_code, answer.content.decode("utf-8", "replace")

    def download(self, url: str) -> bytes:
        """Fetch a bill from where a signed answer says it is. The file itself is unsigned: its digest proves it."""
        path = url.removeprefix(self._gate_way)
        if path == url:  # the provider names its own host, whichever of its hosts we call
            parts = urlsplit(url)
            path = f"{parts.path}?{parts.query}"
        if not path.startswith(_DOWNLOADS):
            raise GatewayUntrusted("the bill is said to be somewhere else")
        with BoundedSession(total_s=BILL_TIMEOUT_S, max_bytes=MAX_BILL_BYTES) as session:
            headers = self._headers(path, RequestType.GET, "")
            answer = session.request("GET", self._gate_way + path, headers=headers)
        if answer.status_code != 200:
            raise _refused(answer.status_code, answer.content)
        return answer.content

    def _headers(self, path: str, method: RequestType, body: str) -> dict[str, str]:
        authorization = build_authorization(
            path, method.value, self._mchid, self._cert_serial_no, self._private_key, data=body
        )
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
            "Authorization": authorization,
        }
        return headers | ({"Wechatpay-Serial": self._public_key_id} if self._public_key_id else {})

    def _verify(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        # WeChat Pay sends errors and 202 unsigned. They change nothing, so accept that; a signature must be valid.
        if status not in {200, 204} and not headers.get("Wechatpay-Signature"):
            return
        if problem := signature_problem(self._keys, headers, body, times.now().timestamp()):
            raise GatewayUntrusted(f"the answer is not authentic: {problem}")


class _Pay(WeChatPay):
    """The library's calls on our core; its own constructor would build another."""

    def __init__(self, who: Merchant, core: Core) -> None:
        self._type = WeChatPayType.NATIVE
        self._mchid, self._appid = who.mch_id, who.appid
        self._notify_url = None
        self._partner_mode = False
        self._core = core


def _refused(status: int, body: bytes) -> GatewayError:
    try:
        said = orjson.loads(body)
        name, message = str(said["code"]), str(said.get("message", ""))
    except (ValueError, TypeError, KeyError):
        if status >= 500 or status < 400:
            return GatewayUnreachable(f"HTTP {status}")
        name, message = "", f"HTTP {status}"
    return refusal(name, message, status)


class WeChatV3(Gateway):
    """Made once per merchant and process (reading the keys takes 30 ms); safe between threads."""

    def __init__(self, who: Merchant) -> None:
        who.need("appid", "mch_id", "v3_key", "cert_serial", "private_key_file")
        if len(who.v3_key.encode()) != 32:
            raise GatewayMisconfigured("WECHAT_PAY_V3_KEY must be 32 bytes long")
        self.who = who
        self.keys = Keyring(who)
        self._core = _Core(who, self.keys)
        self._pay = _Pay(who, self._core)
        self._bootstrap = threading.Lock()
        self._next_bootstrap = 0.0

    def query(self, out_trade_no: str) -> PaymentResult:
        said = self._call(self._pay.query, out_trade_no=_plain(out_trade_no))
        return read_transaction(said, self.who.mch_id, appid=self.who.appid, out_trade_no=out_trade_no)

    def close(self, out_trade_no: str) -> None:
        self._call(self._pay.close, out_trade_no=_plain(out_trade_no))

    def refund(self, intent: RefundIntent) -> RefundResult:
        answer = self._call(
            self._pay.refund,
            out_refund_no=intent.out_refund_no,
            amount={"refund": intent.refund_fen, "total": intent.total_fen, "currency": intent.currency},
            transaction_id=intent.transaction_id,
            reason=plain(intent.reason, REASON_BYTES) or None,
            notify_url=intent.notify_url,
        )
        return read_refund(answer, "status", intent.out_refund_no)

    def refund_abnormal(self, refund_id: str, out_refund_no: str, card: BankCard | None = None) -> RefundResult:
        target = {"bank_type": card.bank, "bank_account": card.number, "real_name": card.holder} if card else {}
        answer = self._call(
            self._pay.abnormal_refund,
            refund_id=_plain(refund_id),
            out_refund_no=out_refund_no,
            type="USER_BANK_CARD" if card else "MERCHANT_BANK_CARD",
            **target,
        )
        return read_refund(answer, "status", out_refund_no)

    def refund_query(self, out_refund_no: str) -> RefundResult:
        answer = self._call(self._pay.query_refund, out_refund_no=_plain(out_refund_no))
        return read_refund(answer, "status", out_refund_no)

    def bill(self, day: date) -> Bill:
        """Fetch the day's bill of payments and refunds (交易账单), which the provider makes by 10:00 of the next day.

        :raises BillNotReady: it is not made yet.
        """
        try:
            said = self._call(self._pay.trade_bill, bill_date=day.isoformat(), bill_type="ALL", tar_type="GZIP")
        except GatewayRefused as error:
            match error.name.upper().replace("_", ""):
                case "NOSTATEMENTEXIST":
                    return Bill(day)
                case "STATEMENTCREATING":
                    raise BillNotReady(error.message, code=error.code, name=error.name) from None
            raise
        if not isinstance(said, dict) or said.get("hash_type") != "SHA1":
            raise GatewayUntrusted("the answer names no bill")
        raw = _unzipped(self._core.download(str(said.get("download_url", ""))))
        digest = hashlib.sha1(raw, usedforsecurity=False).hexdigest()
        if digest != str(said.get("hash_value", "")).lower():
            raise GatewayUntrusted("the bill's digest differs")
        try:
            return Bill(day, tuple(read_bill(raw.decode("utf-8"), self.who.mch_id)), digest)
        except UnicodeDecodeError:
            raise GatewayUntrusted("the bill is not UTF-8") from None

    def decrypt(self, resource: Mapping[str, str]) -> Any:
        """Return the decrypted JSON of a notification.

        :raises ValueError: our APIv3 key does not open it, or it is not JSON.
        """
        try:
            text = aes_decrypt(
                resource["nonce"], resource["ciphertext"], resource.get("associated_data") or "", self.who.v3_key
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("incomplete resource") from error
        if text is None:
            raise ValueError("wrong key or damaged ciphertext")
        return orjson.loads(text)

    def refresh_certificates(self) -> int:
        """Download the platform certificates; return how many there are.

        The answer needs no signature: only WeChat Pay and we know the APIv3 key that encrypts the certificates.
        """
        _, text = self._core.request(_CERTIFICATES, skip_verify=True)
        try:
            entries = orjson.loads(text)["data"]
            pems = {entry["serial_no"]: self._certificate(entry) for entry in entries}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise GatewayUntrusted("no list of certificates") from error
        self.keys.store(pems)
        return len(pems)

    def _certificate(self, entry: Mapping[str, Any]) -> str:
        sealed = entry["encrypt_certificate"]
        pem = aes_decrypt(sealed["nonce"], sealed["ciphertext"], sealed.get("associated_data") or "", self.who.v3_key)
        certificate = load_certificate(pem) if pem else None
        if certificate is None or int(entry["serial_no"], 16) != certificate.serial_number:
            raise ValueError("not a certificate for our key")
        return pem

    def _call(self, method: Callable[..., tuple[int, Any]], **params: Any) -> Any:
        self._need_keys()
        _, text = method(**params)
        if not text:
            return {}
        try:
            return orjson.loads(text)
        except ValueError:
            raise GatewayUntrusted("the answer is no JSON") from None

    def _need_keys(self) -> None:
        """Download the certificates if certificate mode has none yet: only before calls of our own, once a minute."""
        if not self.keys.is_empty:
            return
        with self._bootstrap:
            if time.monotonic() >= self._next_bootstrap and self.keys.is_empty:
                self._next_bootstrap = time.monotonic() + BOOTSTRAP_PAUSE_S
                self.refresh_certificates()


def _unzipped(raw: bytes) -> bytes:
    """Return a file unpacked; as it is if the transport has unpacked it already.

    :raises GatewayUntrusted: it is damaged, or larger than any bill of ours.
    """
    if not raw.startswith(b"\x1f\x8b"):
        return raw
    reader = zlib.decompressobj(wbits=31)
    try:
        text = reader.decompress(raw, MAX_BILL_BYTES)
    except zlib.error:
        raise GatewayUntrusted("the bill is damaged") from None
    if not reader.eof or reader.unused_data:
        raise GatewayUntrusted("the bill is damaged, or too large")
    return text


def _plain(number: str) -> str:
    """Check a number that goes into the signed path, where a slash or ``?`` would change the call."""
    if not is_number(number) or "|" in number:
        raise GatewayError("not a number of ours", code="PARAM_ERROR")
    return number


def read_transaction(
    said: Any, mch_id: str, *, appid: str | None = None, out_trade_no: str | None = None
) -> PaymentResult:
    """Read the transaction object of a query's answer or a notification.

    :param appid: what it must be about, like ``out_trade_no``; None where that is not known yet.
    :raises GatewayUntrusted: it is about another merchant or order, or lacks what a paid order must say.
    """
    if not isinstance(said, dict) or not isinstance(said.get("trade_state"), str):
        raise GatewayUntrusted("the answer has no trade_state")
    if said.get("mchid", mch_id) != mch_id or (appid is not None and said.get("appid", appid) != appid):
        raise GatewayUntrusted("the answer is for another merchant")
    number = said.get("out_trade_no", out_trade_no)
    if not is_number(number) or (out_trade_no is not None and number != out_trade_no):
        raise GatewayUntrusted("the answer is about another order")
    state = said["trade_state"]
    if state not in {"SUCCESS", "REFUND"}:
        return PaymentResult(number, state, appid or "", mch_id, answer=said)
    amount, transaction_id = said.get("amount"), said.get("transaction_id")
    if not isinstance(amount, dict) or type(amount.get("total")) is not int or not is_transaction_id(transaction_id):
        raise GatewayUntrusted("the answer lacks amount or transaction_id")
    return PaymentResult(
        out_trade_no=number,
        trade_state=state,
        appid=str(said.get("appid", "")),
        mch_id=str(said.get("mchid", "")),
        paid_fen=amount["total"],
        currency=str(amount.get("currency") or "CNY"),
        transaction_id=transaction_id,
        paid_at=read_time(said.get("success_time")),
        trade_type=str(said.get("trade_type", "")),
        answer=said,
    )


def read_refund(said: Any, status_key: str, out_refund_no: str | None = None) -> RefundResult:
    """Read the refund object of an answer (``status``) or a notification (``refund_status``).

    :raises GatewayUntrusted: it is about another refund, or lacks what a refund must say.
    """
    amount = said.get("amount") if isinstance(said, dict) else None
    if not isinstance(amount, dict):
        raise GatewayUntrusted("the answer has no amount")
    texts = [said.get(name) for name in ("out_refund_no", status_key, "out_trade_no")]
    refund_fen, total_fen = amount.get("refund"), amount.get("total")
    if not all(is_number(t) for t in texts) or type(refund_fen) is not int or type(total_fen) is not int:
        raise GatewayUntrusted("the answer lacks what a refund must say")
    if out_refund_no is not None and texts[0] != out_refund_no:
        raise GatewayUntrusted("the answer is about another refund")
    return RefundResult(
        out_trade_no=texts[2],
        out_refund_no=texts[0],
        status=texts[1],
        refund_fen=refund_fen,
        total_fen=total_fen,
        mch_id=str(said.get("mchid", "")),
        refund_id=said["refund_id"] if is_number(said.get("refund_id")) else "",
        refunded_at=read_time(said.get("success_time")),
        received_by=str(said.get("user_received_account") or "")[:64],
        accepted_at=read_time(said.get("create_time")),
        funds_account=str(said.get("funds_account") or "")[:32],
    )


def read_time(text: Any) -> datetime | None:
    """Read RFC 3339; a time without a zone, or none at all, is nobody's time."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return storable(moment) if moment.tzinfo else None
