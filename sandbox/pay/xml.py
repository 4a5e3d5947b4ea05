"""The format of v2: flat XML, with an MD5 signature over its fields."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from xml.etree.ElementTree import ParseError

from defusedxml.ElementTree import fromstring

from sandbox.keys import sandbox_values


def parse(body: bytes) -> dict[str, str]:
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


def render(fields: Mapping[str, str]) -> str:
    """Write the fields as WeChat does, each in CDATA."""
    texts = {name: value.replace("]]>", "]]]]><![CDATA[>") for name, value in fields.items()}
    return "<xml>" + "\n".join(f"<{name}><![CDATA[{text}]]></{name}>" for name, text in texts.items()) + "</xml>"


def render_signed(fields: dict[str, str], *, is_forged: bool) -> str:
    """Write the fields with the merchant's number, a nonce and the signature, which is of another key if forged."""
    values = sandbox_values()
    content = fields | {"mch_id": values["WECHAT_PAY_MCH_ID"], "nonce_str": secrets.token_hex(16)}
    key = secrets.token_hex(16) if is_forged else values["WECHAT_PAY_API_KEY"]
    return render(content | {"sign": _sign(content, key)})


def is_signed(fields: Mapping[str, str]) -> bool:
    """Tell whether the merchant has signed the fields."""
    signature = _sign(fields, sandbox_values()["WECHAT_PAY_API_KEY"])
    return hmac.compare_digest(signature.encode(), fields.get("sign", "").encode())


def _sign(fields: Mapping[str, str], key: str) -> str:
    """Return the signature over the non-empty fields, sorted by name, as upper-case hex digits."""
    pairs = "&".join(f"{name}={fields[name]}" for name in sorted(fields) if fields[name] and name != "sign")
    return hashlib.md5(f"{pairs}&key={key}".encode(), usedforsecurity=False).hexdigest().upper()
