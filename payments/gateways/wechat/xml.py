"""WeChat's flat XML, read without trust in who wrote it."""

from defusedxml.ElementTree import fromstring

MAX_FIELDS = 200


def read_flat(raw: bytes | str, *, root: str = "xml") -> dict[str, str]:
    """Read ``<xml><name>text</name>...</xml>``.

    :raises ValueError: not well-formed, a DTD, another root, nested or repeated fields.
    """
    try:
        tree = fromstring(raw, forbid_dtd=True)
    except (SyntaxError, LookupError) as error:
        raise ValueError("not well-formed") from error
    if tree.tag != root or len(tree) > MAX_FIELDS:
        raise ValueError("not the expected document")
    fields: dict[str, str] = {}
    for child in tree:
        if len(child) or child.tag in fields:
            raise ValueError("nested or repeated field")
        fields[child.tag] = child.text or ""
    return fields
