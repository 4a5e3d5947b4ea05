"""Texts as WeChat Pay takes them: it counts bytes, and refuses the whole call for one character too many."""

import unicodedata

_FIRST_EMOJI = "\u2300"  # symbols before it are those of texts: ©, ℃, →


def cut(text: str, limit: int) -> str:
    """``text`` cut to ``limit`` bytes of UTF-8, never inside a character."""
    return text.encode(errors="ignore")[:limit].decode(errors="ignore")


def plain(text: str, limit: int) -> str:
    """``text`` in one line of at most ``limit`` bytes, without control characters, invisible ones and emoji.

    Whether a text may hold emoji is documented for none of WeChat Pay's calls, and refused by some: a product's name
    must not keep anybody from paying, nor what people write about a refund keep their money back.
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
