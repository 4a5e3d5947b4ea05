"""Read a document's values in the form that our columns take, and note what had to be corrected."""

import re
from collections.abc import Container
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import count
from typing import Any

from bson import Decimal128, Int64, ObjectId
from django.core.exceptions import ValidationError
from django.utils.dateparse import parse_datetime

from core.times import SHANGHAI
from students.models import no_script

NOT_GIVEN = "未填写"
MAX_PRICE = 99_999_999
# A binary float such as 19.99 * 3 is that far from its two decimals; more is another price.
FLOAT_NOISE = Decimal("0.0001")
_OLDEST, _LATEST = datetime(2000, 1, 1, tzinfo=SHANGHAI), datetime(2100, 1, 1, tzinfo=SHANGHAI)
TEXTS = {str, int, float, Int64, ObjectId, Decimal128}  # what is a text, or has an obvious one
# PostgreSQL stores neither NUL nor lone surrogates, and the last one stands for bytes that are no UTF-8.
BROKEN = re.compile("[\x00\ud800-\udfff\ufffd]")


class DocumentRefused(Exception):
    """A document cannot be imported; the text says why, to staff."""


@dataclass
class Document:
    """A document of the old server. ``fixes`` holds what was corrected, each with the value as it was."""

    place: str  # in its file
    fields: dict[str, Any]
    now: datetime
    fault: str = ""  # why it is refused
    fixes: dict[str, str] = field(default_factory=dict)

    @property
    def old_id(self) -> str:
        return plain(self.raw("_id"))[:64]

    def fix(self, what: str, detail: Any = "") -> None:
        self.fixes.setdefault(what, str(detail)[:200])

    def raw(self, *names: str) -> Any:
        """Return the first of these fields that is not empty."""
        values = (self.fields.get(name) for name in names)
        return next((value for value in values if value is not None and value != ""), None)

    def part(self, name: str) -> "Document":
        """Return the document that this field holds; an empty one where it is none."""
        value = self.raw(name)
        return Document(self.place, value if isinstance(value, dict) else {}, self.now, fixes=self.fixes)

    def text(self, name: str, max_length: int, instead: str = "") -> str:
        """Return a text of at most ``max_length`` characters; ``instead`` where there is none."""
        value = self.raw(name)
        text = plain(value)
        if value is not None and type(value) not in TEXTS:
            self.fix(f"{name} 不是文本，留空", value)
        if BROKEN.search(str(value)):
            self.fix(f"{name} 含有无法保存或看不懂的字符", text)
        if len(text) > max_length:
            self.fix(f"{name} 超过 {max_length} 个字，截短", text)
        if instead and not text:
            self.fix(f"{name} 是空的，记为“{instead}”")
        return text[:max_length] or instead

    def id(self, name: str, max_length: int) -> str:
        """Return a value that other documents refer to. It is never shortened.

        :raises DocumentRefused: there is none, or it is too long.
        """
        text = self.text(name, max_length + 1)
        if not text:
            raise DocumentRefused(f"没有 {name}")
        if len(text) > max_length:
            raise DocumentRefused(f"{name} 超过 {max_length} 个字符")
        return text

    def free_name(self, name: str, taken: Container[str], max_length: int) -> str:
        """Return the name, with a number where another record has it."""
        numbered = (f"{name[: max_length - 8]}-{number}" for number in count(2))
        free = name if name not in taken else next(one for one in numbered if one not in taken)
        if free != name:
            self.fix("名称已被占用，加上序号", f"{name} -> {free}")
        return free

    def address(self, name: str, instead: str = "") -> str:
        """Return an address that does not run as a script; what runs, or is missing, becomes ``instead``."""
        address = self.text(name, 500, instead)
        try:
            no_script(address)
        except ValidationError:
            self.fix(f"{name} 会被浏览器当作脚本运行，" + (f"记为“{instead}”" if instead else "留空"), address)
            return instead
        return address

    def number(self, name: str) -> Decimal | None:
        """Return a number in any form that JavaScript, MongoDB or a text has; None where there is none."""
        try:
            number = Decimal(str(self.raw(name)).strip())
        except InvalidOperation:
            return None
        return number if number.is_finite() and abs(number) < 10**18 else None

    def whole(self, name: str, least: int, most: int, instead: int | None = None) -> int:
        """Return a whole number within the bounds; ``instead`` where there is none.

        :raises DocumentRefused: there is neither.
        """
        number = self.number(name)
        if number is not None and number == int(number) and least <= number <= most:
            return int(number)
        what = f"{name} 不是 {least} 到 {most} 之间的整数"
        if instead is None:
            raise DocumentRefused(what)
        self.fix(f"{what}，记为 {instead}", self.raw(name))
        return instead

    def price(self) -> Decimal:
        """Return the price in yuan.

        :raises DocumentRefused: it is none.
        """
        number = self.number("price") or Decimal()
        price = round(number, 2)
        if not 0 < price <= MAX_PRICE:
            raise DocumentRefused(f"价格不是 0.01 到 {MAX_PRICE} 之间的数")
        if abs(number - price) > FLOAT_NOISE:
            self.fix("price 多于两位小数，四舍五入", number)
        return price

    def moment(self, *names: str, may_be_ahead: bool = False) -> datetime | None:
        """Return the first of these fields that is a time after the old server's start and, as a rule, not to come."""
        latest = _LATEST if may_be_ahead else self.now + timedelta(days=1)
        moments = (_moment(self.raw(name)) for name in names)
        return next((moment for moment in moments if moment and _OLDEST <= moment <= latest), None)

    def created(self, name: str, id_name: str = "") -> datetime:
        """Return the creation time: by the digits its id begins with, else by a field, else by MongoDB's ``_id``."""
        moment = id_moment(self.text(id_name, 100), latest=self.now) or self.moment(name)
        if moment is None:
            self.fix("没有可用的创建时间，取 _id 中的时间，或迁入的时间", self.raw(name))
        return moment or self.moment("_id") or self.now


def plain(value: Any) -> str:
    """Return a text or a number as text that can be stored; "" for anything else."""
    if type(value) not in TEXTS:
        return ""
    text = str(int(value) if isinstance(value, float) and value.is_integer() else value)
    return BROKEN.sub("", text).strip()


def id_moment(text: str, *, latest: datetime) -> datetime | None:
    """Return the time of the 14 digits ``YYYYMMDDHHmmss`` that an id begins with; None without such digits."""
    match = re.match("20[0-9]{12}", text)
    try:
        moment = datetime.strptime(match[0], "%Y%m%d%H%M%S").replace(tzinfo=SHANGHAI) if match else None
    except ValueError:
        return None
    return moment if moment and moment <= latest else None


def _moment(value: Any) -> datetime | None:
    """Read a time in any form that the old server wrote: ms since 1970, a date, or a text of Shanghai's time."""
    try:
        match value:
            case datetime():
                moment: datetime | None = value
            case ObjectId():
                moment = value.generation_time
            case int() | float():
                moment = datetime.fromtimestamp(value / 1000, SHANGHAI)
            case _:
                moment = parse_datetime(str(value).strip().replace("/", "-").replace(",", " "))
    except (ValueError, OverflowError, OSError):
        return None
    return moment.replace(tzinfo=SHANGHAI) if moment and not moment.tzinfo else moment
