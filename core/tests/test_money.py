"""Amounts: yuan in our rows, fen at the provider."""

from decimal import Decimal

import pytest

from core.money import yuan_to_fen


def test_no_part_of_a_fen_is_lost_on_the_way_to_the_provider():
    assert yuan_to_fen(Decimal("0.29")) == 29
    for amount in ("0.005", "1234.501"):
        with pytest.raises(ValueError, match="two decimals"):
            yuan_to_fen(Decimal(amount))
