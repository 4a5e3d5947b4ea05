"""Keep spreadsheet programs from running what somebody wrote: they take a text for a formula by its first character."""

# The apostrophe is among them so that `unescaped` gives back exactly what `escaped` took.
_RISKY = "=+-@'＝＋－＠\t\r\n"


def escaped(text: str) -> str:
    """Return a text that no spreadsheet program takes for a formula; ``unescaped`` undoes it."""
    first = text.lstrip(" ")[:1]
    return "'" + text if first and first in _RISKY else text


def unescaped(text: str) -> str:
    return text[1:] if text[:1] == "'" and escaped(text[1:]) == text else text
