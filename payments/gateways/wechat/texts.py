"""Texts as WeChat Pay takes them: it counts bytes, and refuses the whole call for one character too many."""

import unicodedata

_FIRST_EMOJI = "\u2300"  # symbols before it are those of texts: ©, ℃, →


def cut(text: str, limit: int) -> str:
    """Return ``text`` cut to ``limit`` bytes of UTF-8, never inside a character."""
    return text.encode(errors="ignore")[:limit].decode(errors="ignore")


def plain(text: str, limit: int) -> str:
    """Return ``text`` in one line of at most ``limit`` bytes, without control and invisible characters and emoji.

    WeChat Pay documents for no call whether a text may hold emoji, and some calls refuse them: then a product with an
    emoji in its name could not be paid, and a refund with one in its reason would fail.
    """
    kept = "".join(_kept(char) for char in text)
    return cut(" ".join(kept.split()), limit).strip()


def _kept(char: str) -> str:
    if char.isspace():
        return " "
    kind = unicodedata.category(char)
    is_emoji = kind in {"So", "Sk"} and char >= _FIRST_EMOJI
    is_variant = "\ufe00" <= char <= "\ufe0f"  # an emoji's look
    return "" if kind.startswith("C") or is_emoji or is_variant else char
