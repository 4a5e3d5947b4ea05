"""The format of v2: flat XML, with an MD5 or HMAC-SHA256 signature over its fields."""

import hashlib
import hmac
from collections.abc import Mapping
from xml.etree.ElementTree import Element, ParseError

from defusedxml.ElementTree import fromstring

SIGN_TYPES = ("MD5", "HMAC-SHA256")


def parse(body: bytes) -> dict[str, str]:
    """Read ``<xml><a>1</a>…</xml>``.

    :raises ValueError: it is anything else, or holds a DTD.
    """
    try:
        root = fromstring(body.decode("utf-8"), forbid_dtd=True)
    except ParseError as error:
        raise ValueError(str(error)) from None
    return _flat(root)


def _flat(root: Element) -> dict[str, str]:
    fields = {child.tag: child.text or "" for child in root}
    if root.tag != "xml" or len(fields) != len(root) or any(len(child) for child in root):
        raise ValueError("a flat <xml> with each field once is needed")
    return fields


def render(fields: Mapping[str, str]) -> str:
    """Write the fields as WeChat does, each in CDATA."""
    lines = (f"<{name}><![CDATA[{_cdata(value)}]]></{name}>" for name, value in fields.items())
    return "<xml>" + "\n".join(lines) + "</xml>"


def _cdata(value: str) -> str:
    return value.replace("]]>", "]]]]><![CDATA[>")


def sign(fields: Mapping[str, str], *, key: str, sign_type: str) -> str:
    """Return the signature over the non-empty fields, sorted by name, as upper-case hex digits."""
    pairs = "&".join(f"{name}={fields[name]}" for name in sorted(fields) if fields[name] and name != "sign")
    message = f"{pairs}&key={key}".encode()
    if sign_type == "HMAC-SHA256":
        return hmac.new(key.encode(), message, hashlib.sha256).hexdigest().upper()
    return hashlib.md5(message, usedforsecurity=False).hexdigest().upper()


def is_signed(fields: Mapping[str, str], *, key: str, sign_type: str) -> bool:
    expected = sign(fields, key=key, sign_type=sign_type)
    return hmac.compare_digest(expected.encode(), fields.get("sign", "").encode())
