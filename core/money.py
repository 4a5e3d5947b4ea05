"""Amounts: ``Decimal`` yuan in the database and on the wire, ``int`` fen at the gateway, never a float between."""

from decimal import Decimal

FEN_PER_YUAN = 100


def yuan_to_fen(yuan: Decimal) -> int:
    """:raises ValueError: the amount has more than two decimals."""
    fen = yuan * FEN_PER_YUAN
    if fen != fen.to_integral_value():
        raise ValueError("an amount in yuan has at most two decimals")
    return int(fen)


def fen_to_yuan(fen: int) -> Decimal:
    return Decimal(fen) / FEN_PER_YUAN


def fen_text(fen: int) -> str:
    """``1234``: "12.34元", for people."""
    return f"{fen_to_yuan(fen):.2f}元"


def wire(yuan: Decimal) -> int | float:
    """The JSON number clients read: ``9``, ``9.9``, ``9.99``. For output only."""
    return int(yuan) if yuan == yuan.to_integral_value() else float(yuan)
