"""The cities of the weather provider, with pinyin names and climate."""

import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

NAME = re.compile(r"[\u4e00-\u9fff]{2,12}")
# Chinese words that are no city.
NOWHERE = {"火星", "月球", "天堂", "地狱", "乌有乡", "花果山", "不存在"}
_SUFFIXES = ("市", "区", "县")


class UnknownCity(Exception):
    """There is no such city; the text is sent to the caller."""


@dataclass(frozen=True)
class City:
    """A city. ``mean_c``: the year's mean temperature; ``swing_c``: how far summer and winter differ from it."""

    name: str
    pinyin: str
    code: str
    mean_c: float
    swing_c: float


def city_named(name: str) -> City:
    """Return a listed city or make one up. The same name always gives the same city.

    :raises UnknownCity: the name is not Chinese, ends with 市, 区 or 县, or is among ``NOWHERE``.
    """
    if city := _cities().get(name):
        return city
    if not NAME.fullmatch(name) or name in NOWHERE:
        raise UnknownCity("city参数错误，没有这个城市")
    if len(name) > 2 and name.endswith(_SUFFIXES):
        raise UnknownCity("city参数错误，请不要带市和区")
    digest = sha256(name.encode()).digest()
    code = f"1019{int.from_bytes(digest[:4], 'big') % 100_000:05}"
    return City(name, _pinyin(name), code, mean_c=10 + digest[4] % 11, swing_c=8 + digest[5] % 9)


@lru_cache(maxsize=1)
def _cities() -> dict[str, City]:
    rows = [line.split() for line in _lines("cities.txt")]
    return {name: City(name, pinyin, code, float(mean), float(swing)) for name, pinyin, code, mean, swing in rows}


@lru_cache(maxsize=1)
def _syllables() -> dict[str, str]:
    return {char: syllable for syllable, chars in map(str.split, _lines("pinyin.txt")) for char in chars}


def _pinyin(name: str) -> str:
    return "".join(_syllables().get(char, "") for char in name) or "city"


def _lines(file: str) -> list[str]:
    text = (Path(__file__).parent / file).read_text("utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]
