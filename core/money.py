"""Convert amounts: ``Decimal`` yuan in our rows, ``int`` fen for WeChat Pay. Never calculate with a float."""

import re
import unicodedata
from decimal import Decimal

FEN_PER_YUAN = 100
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(,\d{3})+(\.\d*)?")


def yuan_to_fen(yuan: Decimal) -> int:
    """Return the amount in fen.

    :raises ValueError: it has more than two decimals.
    """
    fen = yuan * FEN_PER_YUAN
    if fen != fen.to_integral_value():
        raise ValueError("an amount in yuan has at most two decimals")
    return int(fen)


def fen_to_yuan(fen: int) -> Decimal:
    return Decimal(fen) / FEN_PER_YUAN


def number_typed(text: str) -> str:
    """Return a number without the currency and the thousands separators that people and spreadsheets write with it.

    "￥1,299.00元" becomes "1299.00". A text that may be another number, such as "1,29" or "8元5", keeps its marks, so
    that the field which reads it refuses it.
    """
    plain = unicodedata.normalize("NFKC", text).strip().removeprefix("¥").removesuffix("元").strip()
    return plain.replace(",", "") if _THOUSANDS.fullmatch(plain) else plain


def fen_text(fen: int) -> str:
    """Return the amount for people: ``1,234.50元`` for 123450."""
    return f"{yuan_text(fen_to_yuan(fen))}元"


def yuan_text(yuan: Decimal) -> str:
    """Return the amount as the back office shows it: ``1,234.50``."""
    return f"{yuan:,.2f}"


def wire(yuan: Decimal) -> int | float:
    """Return the number that JSON answers show: ``9``, ``9.9``, ``9.99``. For output only."""
    return int(yuan) if yuan == yuan.to_integral_value() else float(yuan)
