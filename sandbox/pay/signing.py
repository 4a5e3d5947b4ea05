"""How both APIs sign. First v2: flat XML, with MD5 over its fields. Then v3: RSA over the raw body, AES for notices."""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Mapping
from datetime import datetime
from xml.etree.ElementTree import ParseError

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from defusedxml.ElementTree import fromstring
from django.http import HttpRequest

from sandbox.keys import MERCHANT_KEY, PLATFORM_KEY, private_key, sandbox_values
from sandbox.pay.errors import Reason, Refused

SCHEME = "WECHATPAY2-SHA256-RSA2048"
# A merchant signs the path without this prefix, because at the real provider the paths begin at the host's root.
PREFIX = "/sandbox/wxpay"
CLOCK_SKEW_S = 300
_PART = re.compile(r'\s*([a-z_]+)="([^"]*)"\s*')
_NAMES = {"mchid", "nonce_str", "signature", "timestamp", "serial_no"}


def parse_xml(body: bytes) -> dict[str, str]:
    """Read ``<xml><a>1</a>…</xml>``.

    :raises ValueError: it is anything else, or holds a DTD.
    """
    try:
        root = fromstring(body.decode("utf-8"), forbid_dtd=True)
    except ParseError as error:
        raise ValueError(str(error)) from None
    fields = {child.tag: child.text or "" for child in root}
    if root.tag != "xml" or len(fields) != len(root) or any(len(child) for child in root):
        raise ValueError("a flat <xml> with each field once is needed")
    return fields


def render_xml(fields: Mapping[str, str]) -> str:
    """Write the fields as WeChat does, each in CDATA."""
    texts = {name: value.replace("]]>", "]]]]><![CDATA[>") for name, value in fields.items()}
    return "<xml>" + "\n".join(f"<{name}><![CDATA[{text}]]></{name}>" for name, text in texts.items()) + "</xml>"


def render_signed(fields: dict[str, str], *, is_forged: bool) -> str:
    """Write the fields with the merchant's number, a nonce and the signature, which is of another key if forged."""
    values = sandbox_values()
    content = fields | {"mch_id": values["WECHAT_PAY_MCH_ID"], "nonce_str": secrets.token_hex(16)}
    key = secrets.token_hex(16) if is_forged else values["WECHAT_PAY_API_KEY"]
    return render_xml(content | {"sign": _sign(content, key)})


def is_signed(fields: Mapping[str, str]) -> bool:
    """Tell whether the merchant has signed the fields."""
    signature = _sign(fields, sandbox_values()["WECHAT_PAY_API_KEY"])
    return hmac.compare_digest(signature.encode(), fields.get("sign", "").encode())


def _sign(fields: Mapping[str, str], key: str) -> str:
    """Return the signature over the non-empty fields, sorted by name, as upper-case hex digits."""
    pairs = "&".join(f"{name}={fields[name]}" for name in sorted(fields) if fields[name] and name != "sign")
    return hashlib.md5(f"{pairs}&key={key}".encode(), usedforsecurity=False).hexdigest().upper()


def request_check(request: HttpRequest, *, now: datetime) -> None:
    """Check the request's signature: by whom, over what, and when; and by which key answers are to be checked."""
    parts = _authorization(request.headers.get("Authorization", ""))
    values = sandbox_values()
    if parts["mchid"] != values["WECHAT_PAY_MCH_ID"]:
        raise Refused(Reason.SIGN, "商户号不存在或与签名不符")
    if parts["serial_no"].upper() != values["WECHAT_PAY_CERT_SERIAL"]:
        raise Refused(Reason.SIGN, "商户证书序列号有误，请使用签名私钥匹配的证书序列号")
    stamp = parts["timestamp"]
    if not re.fullmatch(r"[0-9]{10}", stamp) or abs(now.timestamp() - int(stamp)) > CLOCK_SKEW_S:
        raise Refused(Reason.SIGN, "Http头Authorization中的timestamp与发起请求的时间不得超过5分钟")
    target = request.get_full_path().removeprefix(PREFIX)
    head = f"{request.method}\n{target}\n{stamp}\n{parts['nonce_str']}\n".encode()
    try:
        signature = base64.b64decode(parts["signature"], validate=True)
        private_key(MERCHANT_KEY).public_key().verify(signature, head + request.body + b"\n", PKCS1v15(), SHA256())
    except (InvalidSignature, binascii.Error):
        raise Refused(Reason.SIGN, "签名错误，验签失败") from None
    if request.headers.get("Wechatpay-Serial") != values["WECHAT_PAY_PUBLIC_KEY_ID"]:
        raise Refused(Reason.PARAM, "Http头Wechatpay-Serial中的公钥ID不存在")


def _authorization(header: str) -> dict[str, str]:
    scheme, _, rest = header.partition(" ")
    # Split at the commas first: searching the whole header for parts takes quadratic time.
    parts = {match[1]: match[2] for part in rest.split(",") if (match := _PART.fullmatch(part))}
    if scheme != SCHEME or set(parts) != _NAMES:
        raise Refused(Reason.SIGN, "Http头Authorization值格式错误，请参考《微信支付商户REST API签名规则》")
    return parts


def signature_headers(body: bytes, *, is_forged: bool = False) -> dict[str, str]:
    """Sign an answer or a notification. A forged signature has the right form and length but is over another text."""
    stamp, nonce = str(int(time.time())), secrets.token_hex(16)
    message = f"{stamp}\n{nonce}\n".encode() + (b"forged" if is_forged else body) + b"\n"
    signature = private_key(PLATFORM_KEY).sign(message, PKCS1v15(), SHA256())
    return {
        "Wechatpay-Timestamp": stamp,
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Signature": base64.b64encode(signature).decode(),
        "Wechatpay-Serial": sandbox_values()["WECHAT_PAY_PUBLIC_KEY_ID"],
        "Wechatpay-Signature-Type": SCHEME,
    }


def encrypt(plain: bytes, *, kind: str) -> dict[str, str]:
    """Encrypt what a notification tells of a thing of this kind, with the merchant's APIv3 key."""
    nonce, cipher = secrets.token_hex(6), AESGCM(sandbox_values()["WECHAT_PAY_V3_KEY"].encode())
    return {
        "original_type": kind,
        "algorithm": "AEAD_AES_256_GCM",
        "nonce": nonce,
        "associated_data": kind,
        "ciphertext": base64.b64encode(cipher.encrypt(nonce.encode(), plain, kind.encode())).decode(),
    }
