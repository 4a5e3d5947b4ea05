"""Read parameters as the API document has it: blank is absent, a number may be a text, unknown names are ignored.

An update is the exception: a field declared with ``allow_blank=True`` that is sent blank, or as null, is emptied.
"""

import re
from collections.abc import Callable, Collection, Sequence
from datetime import date
from functools import cache
from typing import Any, TypeVar

from django.conf import settings
from django.db.models import Model, QuerySet
from django.http import QueryDict
from rest_framework import serializers
from rest_framework.fields import SkipField, empty
from rest_framework.request import Request

from core.api.envelope import first_message
from core.errors import BadParameter, DomainError
from core.times import FIRST_YEAR, LAST_YEAR

# PostgreSQL stores neither NUL nor a lone surrogate, and UTF-8 cannot encode the latter in an answer.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
Row = TypeVar("Row", bound=Model)
_LIST_MARK = re.compile(r"\[[0-9]*\]$")  # axios and jQuery write a[]=1&a[]=2 for a list, qs a[0]=1&a[1]=2


class Params(serializers.Serializer[Any]):
    """Base of all input serializers. A field ``class_`` is sent as ``class``, which is no name for an attribute.

    ``error``: the class for a bad parameter that is answered with its own text, not with one that names the parameter.
    ``error_if_missing``: makes the error for a required parameter that is missing, where that is another one.
    ``lists``: parameters that a query or form may repeat, each of whose values counts.
    ``required_in_docs``: parameters that the API document calls required and the server can do without.
    """

    error: type[DomainError] | None = None
    error_if_missing: Callable[[], DomainError] | None = None
    lists: frozenset[str] = frozenset()
    required_in_docs: tuple[str, ...] = ()

    @classmethod
    def read(cls, request: Request) -> dict[str, Any]:
        """Return the validated query of a GET, or the validated body of another method.

        :raises DomainError: the answer to bad parameters, see ``refusal``.
        """
        source = request.query_params if request.method in {"GET", "HEAD"} else request.data
        return cls.checked(source, request=request)

    @classmethod
    def checked(cls, source: Any, **context: Any) -> dict[str, Any]:
        """Return the validated values of a mapping, such as the form of a page.

        :raises DomainError: the answer to bad parameters, see ``refusal``.
        """
        values = present(source, cls.lists, cls.emptiable())
        try:
            return _shared(cls).run_validation(values)
        except serializers.ValidationError:
            params = cls(data=values, context=context)
            params.is_valid()
            raise params.refusal() from None

    @classmethod
    def refusals(cls) -> list[DomainError]:
        """Return the answers to bad parameters that have a text of their own."""
        return [error() for error in (cls.error_if_missing, cls.error) if error]

    @classmethod
    def emptiable(cls) -> list[str]:
        """Return the names of the fields that a blank value empties."""
        return [name for name, field in _shared(cls).fields.items() if getattr(field, "allow_blank", False)]

    @classmethod
    def blanks_text(cls) -> str:
        """Say for the documentation what a blank value does to each field."""
        kept = [n for n, field in _shared(cls).fields.items() if not field.required and n not in cls.emptiable()]
        names = [" ".join(f"`{name}`" for name in group) for group in (cls.emptiable(), kept)]
        return f"空值(空字符串或 null)清空 {names[0]}" + (f";{names[1]} 的空值视为没有传递。" if kept else "。")

    def get_fields(self) -> dict[str, Any]:
        return {name.rstrip("_"): field for name, field in super().get_fields().items()}

    def refusal(self) -> DomainError:
        """Turn ``self.errors`` into the error that is answered; override it if the API document gives a text."""
        missing = self.missing()
        if missing and self.error_if_missing:
            return self.error_if_missing()
        if self.error:
            return self.error()
        return BadParameter(f"缺少参数: {', '.join(missing)}" if missing else first_message(self.errors))

    def missing(self) -> list[str]:
        """Return the names of required parameters that are missing."""
        return [name for name, errors in self.errors.items() if any(e.code == "required" for e in errors)]


@cache
def _shared(kind: type[Params]) -> Params:
    """Return one instance per class: making its fields costs more than checking, and checking leaves no state."""
    return kind()


def present(source: Any, lists: Collection[str] = (), emptiable: Collection[str] = ()) -> dict[str, Any]:
    """Return the parameters that are not blank; those of a query or form that are named in ``lists`` as a list.

    A blank one that is named in ``emptiable`` is returned as "".

    :raises BadParameter: a text holds characters that the database cannot store.
    """
    values: dict[str, Any] = {}
    for key in source:
        name, value = key, source[key]
        if isinstance(source, QueryDict):
            name = _LIST_MARK.sub("", key)
            texts = [text for text in source.getlist(key) if not _is_blank(text)]
            # Of a repeated parameter that is no list the last value counts.
            value = texts[-1] if texts else None
            if texts and name in lists:
                value = [*values.get(name, []), *texts]
        if _holds_unstorable(value):
            raise BadParameter("包含非法字符", field=_UNSTORABLE.sub("?", str(key))[:40])
        if not _is_blank(value):
            values[name] = value
        elif name in emptiable:
            values.setdefault(name, "")
    return values


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _holds_unstorable(value: Any) -> bool:
    queue = [value]  # a loop, because JSON may be nested deeper than Python allows calls to be
    while queue:
        match queue.pop():
            case str(text):
                if _UNSTORABLE.search(text):
                    return True
            case list(items):
                queue += items
            case dict(fields):
                queue += [*fields, *fields.values()]
    return False


# A field that is documented neither as a text nor as a whole number has its schema as ``in_form``, for a query and a
# form. ``in_json`` names further types of a JSON body; else a number may stand for a text, and a text for a number.
class YesNo(serializers.BooleanField):
    """A choice that clients send as 1 or 0, also as a text or as true and false."""

    in_form = {
        "anyOf": [{"type": "boolean"}, {"type": "integer", "enum": [0, 1]}, {"type": "string", "enum": ["0", "1"]}]
    }
    default_error_messages = {"invalid": "必须是0或1"}


class PlainText(serializers.CharField):
    """A text, or a number, which counts as its digits; a list, an object or a boolean is refused."""

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        # As it was sent, blanks included: that is what the documentation's maxLength is about.
        if self.max_length is not None and len(str(data)) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        return text


class IdList(serializers.Field[Any, Any, Any, Any]):
    """Ids: one text with commas between them, or a list. Its name belongs into ``lists``."""

    default_error_messages = {"invalid": "必须是以逗号隔开的id"}

    def to_internal_value(self, data: Any) -> list[str]:
        texts = data if isinstance(data, list) else [data]
        if any(isinstance(text, bool) or not isinstance(text, (str, int)) for text in texts):
            self.fail("invalid")
        ids = [part.strip() for text in texts for part in str(text).replace("，", ",").split(",")]
        return [part for part in ids if part]


class Picture(PlainText):
    """A picture as the documentation shows it: its address, or in a form its file.

    Views take it from the request itself (``uploads.fields``); among the values that are read is only "", for a
    picture that is taken away.
    """

    def __init__(self, what: str, **kwargs: Any) -> None:
        text = f"{what}:图片地址(http、https 或 /media/ 下的路径),或以 multipart/form-data 上传的文件"
        super().__init__(help_text=text, **kwargs)

    def run_validation(self, data: Any = empty) -> Any:
        if data != "":
            raise SkipField
        return data


class WholeNumber(serializers.IntegerField):
    """A number or a text of digits; a boolean is refused."""

    def to_internal_value(self, data: Any) -> int:
        if "_" in str(data):  # Python would read 1_000 as a thousand
            self.fail("invalid")
        return super().to_internal_value(data)


class PositiveInt(WholeNumber):
    """A whole number from 1. One above 2**31 counts as that: no list is as long, and a page's start fits a bigint."""

    default_error_messages = dict.fromkeys(("invalid", "min_value", "max_string_length"), "必须是正整数")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, **kwargs)

    def to_internal_value(self, data: Any) -> int:
        return min(super().to_internal_value(data), 2**31)


class Between(WholeNumber):
    """A whole number from ``low`` to ``high``. One message names the range, whatever is wrong."""

    def __init__(self, low: int, high: int, **kwargs: Any) -> None:
        kinds = ("invalid", "min_value", "max_value", "max_string_length")
        messages: dict[str, Any] = dict.fromkeys(kinds, f"必须是{low}到{high}之间的整数")
        super().__init__(min_value=low, max_value=high, error_messages=messages, **kwargs)


class RowId(PositiveInt):
    """The id of a row."""

    in_form = {"type": "string"}  # as answers have it


class OneOf(serializers.ChoiceField):
    """One of some texts."""

    def __init__(self, choices: Sequence[str], **kwargs: Any) -> None:
        super().__init__(choices, error_messages={"invalid_choice": f"只能是{'、'.join(choices)}"}, **kwargs)


class Day(serializers.DateField):
    """A day of our years, as clients and sheets write it."""

    in_form = {"type": "string", "format": "date"}
    default_error_messages = dict.fromkeys(("invalid", "datetime"), "必须是日期,如 2026-11-29")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(input_formats=["%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y年%m月%d日", "%Y年%m月%d"], **kwargs)

    def to_internal_value(self, value: Any) -> date:
        day: date = super().to_internal_value(value)
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            self.fail("invalid")
        return day


class SpanParams(Params):
    from_ = Day(required=False, help_text="从哪天起,如 2026-11-01")
    to = Day(required=False, help_text="到哪天为止,这一天也算")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "from" in attrs and "to" in attrs and attrs["from"] > attrs["to"]:
            raise serializers.ValidationError({"from": "不能晚于to"})
        return attrs


class PageParams(Params):
    page = PositiveInt(required=False, default=1, help_text="第几页,从 1 开始;不传 count 时忽略")
    count = PositiveInt(required=False, help_text="每页多少条,不传则给出全部(有上限)")


def page_slice(params: dict[str, Any]) -> slice:
    """Turn validated ``PageParams`` into a slice; never more than ``API_MAX_ROWS`` rows.

    Without ``count`` the list is not divided into pages, so ``page`` is ignored.
    """
    size = min(params.get("count", settings.API_MAX_ROWS), settings.API_MAX_ROWS)
    start = (params["page"] - 1) * size if "count" in params else 0
    return slice(start, start + size)


def page_of(rows: QuerySet[Row], params: dict[str, Any]) -> tuple[int, list[Row]]:
    """Return the true number of all ``rows``, and the page that ``params`` (validated ``PageParams``) ask for.

    Takes two queries, or one if the page is the last one and so shows where the list ends.
    """
    page = page_slice(params)
    items = list(rows[page])
    if items and len(items) < page.stop - page.start:
        return page.start + len(items), items  # a page that is not full is the last one: no need to count
    return rows.count(), items
