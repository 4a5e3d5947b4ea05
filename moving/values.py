"""Read the values of an old document in the form that our columns take, and note what had to be corrected."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import unquote, urlsplit

from bson import Decimal128, ObjectId
from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from core.times import SHANGHAI, format_api_time
from moving.dump import Document, DocumentRefused
from students.models import no_script

NOT_GIVEN = "未填写"
CENT = Decimal("0.01")
# A binary float such as 19.99 * 3 is that far from its two decimals; more is another price.
FLOAT_NOISE = Decimal("0.0001")
_OLDEST, _LATEST = datetime(2000, 1, 1, tzinfo=SHANGHAI), datetime(2100, 1, 1, tzinfo=SHANGHAI)
# PostgreSQL stores neither; a lone surrogate cannot even be answered as UTF-8.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_LOST = "\ufffd"  # stands for bytes that are no UTF-8, see dump.py
# 2019/05/09 02:14:12, 2020-12-31,12:59:59, 2021/8/27 下午3:05:10, 2019-05-09
_MOMENT = re.compile(r"(\d{4})[-/](\d\d?)[-/](\d\d?)(?:[ ,]+(上午|下午)?(\d\d?):(\d\d)(?::(\d\d))?)?")
_ID_MOMENT = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{3})?")
_OLD_PICTURE = re.compile(r"(?:https?:)?(?://[^/]+)?(/(?:avatar|imgs|productPic)/.+)", re.IGNORECASE | re.DOTALL)

Fix = tuple[str, str]  # what was done, and to what: "年龄不是数字,取其中的数字", "21岁"


def old_picture(address: str) -> str:
    """Return the path of a picture on the old server; "" if the address is no picture of that server.

    The old hosts are retired, so that an absolute address means the same file as a path.
    """
    match = _OLD_PICTURE.fullmatch(address)
    return unquote(urlsplit(match[1]).path) if match else ""


class Values:
    """Reads a document's fields; ``fixes`` collects the corrections."""

    def __init__(self, document: Document, now: datetime, has_picture: Callable[[str], bool] | None = None) -> None:
        self.document, self.now = document, now
        self.fixes: list[Fix] = []
        self._fields, self._has_picture = document.fields, has_picture

    def fix(self, what: str, detail: Any = "") -> None:
        if (fix := (what, str(detail)[:200])) not in self.fixes:  # a field may be read twice
            self.fixes.append(fix)

    def raw(self, *names: str) -> Any:
        """Return the first of these fields that is not empty."""
        for name in names:
            value = self._fields.get(name)
            if value is not None and value != "":
                return value
        return None

    def text(self, name: str, max_length: int) -> str:
        """Return a text of at most ``max_length`` characters; "" where there is none."""
        value = self.raw(name)
        text = _text(value)
        if text is None:
            self.fix(f"{name} 不是文本，留空", value)
            return ""
        self._note_losses(name, text)
        clean = _clean(text)
        if len(clean) > max_length:
            self.fix(f"{name} 超过 {max_length} 个字，截短", clean)
        return clean[:max_length]

    def required(self, name: str, max_length: int, instead: str = NOT_GIVEN) -> str:
        text = self.text(name, max_length)
        if not text:
            self.fix(f"{name} 是空的，记为“{instead}”")
        return text or instead

    def id(self, name: str, max_length: int) -> str:
        """Return a value that other documents refer to. It is never shortened.

        :raises DocumentRefused: there is none, or it is too long.
        """
        text = plain(self.raw(name))
        if not text:
            raise DocumentRefused(f"没有 {name}")
        if len(text) > max_length:
            raise DocumentRefused(f"{name} 超过 {max_length} 个字符")
        self._note_losses(name, _text(self.raw(name)) or "")
        return text

    def _note_losses(self, name: str, text: str) -> None:
        if _UNSTORABLE.search(text):
            self.fix(f"{name} 含有无法保存的字符，已去掉")
        if _LOST in text:
            self.fix(f"{name} 的编码不是 UTF-8，看不懂的字节记为 {_LOST}")

    def address(self, name: str, instead: str = "") -> str:
        """Return an address that does not run as a script; what runs, or is missing, becomes ``instead``."""
        address = self.required(name, 500, instead) if instead else self.text(name, 500)
        try:
            no_script(address)
        except ValidationError:
            what = f"记为“{instead}”" if instead else "留空"
            self.fix(f"{name} 会被浏览器当作脚本运行，{what}", address)
            return instead
        return address

    def picture(self, name: str) -> str:
        address = self.address(name)
        path = old_picture(address)
        if path and self._has_picture and not self._has_picture(path):
            self.fix(f"{name} 的图片不在图片目录中", path)
        return address

    def whole(self, name: str, *, is_rounded: bool = False) -> int | None:
        """Return a whole number; None where there is none. Rounded, 1990.0000000000002 of a binary float is one."""
        number = _number(self.raw(name))
        return round(number) if number is not None and (is_rounded or number == round(number)) else None

    def yuan(self, name: str) -> Decimal | None:
        """Return an amount above 0 with two decimals; None where there is none."""
        number = _number(self.raw(name))
        if number is None or abs(number) > 10**9:
            return None
        amount = number.quantize(CENT)
        if amount <= 0:
            return None
        if abs(number - amount) > FLOAT_NOISE:
            self.fix(f"{name} 多于两位小数，四舍五入", number)
        return amount

    def moment(self, name: str, *, ahead: bool = False) -> datetime | None:
        """Return a time after the old server's start; one in the future only with ``ahead``."""
        return self._plausible(_moment(self.raw(name)), _LATEST if ahead else None)

    def created(self, *, by_id: str = "", names: tuple[str, ...] = ()) -> datetime:
        """Return the creation time: by the 17 digits its id begins with, else by a field, else by MongoDB's ``_id``."""
        moments = [self._plausible(id_moment(by_id)), *(self.moment(name) for name in names)]
        if moment := next(filter(None, moments), None):
            return moment
        old_id = self._fields.get("_id")
        id_time = self._plausible(old_id.generation_time) if isinstance(old_id, ObjectId) else None
        self.fix(
            "没有可用的创建时间，取 _id 中的时间" if id_time else "没有可用的创建时间，记为迁入的时间", self.raw(*names)
        )
        return id_time or self.now

    def _plausible(self, moment: datetime | None, latest: datetime | None = None) -> datetime | None:
        return moment if moment and _OLDEST <= moment <= (latest or self.now + timedelta(days=1)) else None


def is_whole(text: str) -> bool:
    """Tell whether a text can be stored, and came without broken bytes."""
    return not _UNSTORABLE.search(text) and _LOST not in text


def plain(value: Any) -> str:
    """Return the text of an id, as :meth:`Values.id` reads it."""
    return _clean(_text(value) or "")


def _clean(text: str) -> str:
    return _UNSTORABLE.sub("", text).strip()


def plain_all(documents: Iterable[Document], name: str) -> set[str]:
    """Return the ids that these documents hold under ``name``, to be looked up together."""
    return {text for document in documents if (text := plain(document.fields.get(name)))}


def known(rows: QuerySet[Any], name: str) -> set[Any]:
    """Return the values that these rows have in a column."""
    return set(rows.values_list(name, flat=True))


def _moment(value: Any) -> datetime | None:
    """Read a moment in any of the forms the old server wrote; without a zone it is Shanghai's."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    text = str(value or "").strip()
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000, UTC)
        if match := _MOMENT.fullmatch(text):
            year, month, day, half, hour, minute, second = match.groups(default="0")
            hours = int(hour) % 12 + 12 * (half == "下午") if half != "0" else int(hour)
            return datetime(int(year), int(month), int(day), hours, int(minute), int(second), tzinfo=SHANGHAI)
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=SHANGHAI)


def id_moment(text: str) -> datetime | None:
    """Return the moment of the digits ``YYYYMMDDHHmmssSSS`` that an id begins with; None without such digits."""
    match = _ID_MOMENT.match(text)
    if not match:
        return None
    *parts, thousandths = (int(part or 0) for part in match.groups())
    try:
        return datetime(*parts, thousandths * 1000, tzinfo=SHANGHAI)  # type: ignore[arg-type, misc]
    except ValueError:
        return None


def digits_in(value: Any) -> int | None:
    """Return the first number in a text such as ``21岁``; None without one."""
    match = re.search(r"\d+", str(value or ""))
    return int(match[0]) if match and len(match[0]) < 10 else None


def _text(value: Any) -> str | None:
    """Return a text or a number as text; None for anything else."""
    match value:
        case None:
            return ""
        case bool() | list() | dict() | bytes():
            return None
        case float() if value.is_integer():
            return str(int(value))
        case datetime():
            return format_api_time(value) if value.tzinfo else str(value)
        case str() | int() | float() | ObjectId() | Decimal128():
            return str(value)
    return None


def _number(value: Any) -> Decimal | None:
    if isinstance(value, Decimal128):
        value = value.to_decimal()
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number) < 10**18 else None
