"""What the runs and their rows keep as JSON, with types. Release 1.1.0 reads and writes the same JSON."""

from dataclasses import dataclass, field, fields
from typing import Any, Self, TypedDict

from django.db.models import TextChoices

SHEET_STEP = 1_000_000  # a row of the second sheet has the number of its line and one such step
LEAVERS_FROM = 2_000 * SHEET_STEP  # rows of students who are not in the list have numbers from here
NEW = "new"  # the answer that a namesake is somebody else


class Leavers(TextChoices):
    """What an import does with those of its classes who are not in the list."""

    KEEP = "", "不处理"
    WITHDRAW = "withdraw", "改为退学"
    ARCHIVE = "archive", "归档"


class Shape(TypedDict):
    """The columns of a file: what the mapping calls them, and samples of each."""

    heads: list[str]
    samples: list[list[str]]


class SpeltValue(TypedDict):
    """A class or degree of the file that no student has yet."""

    wire: str
    value: str
    rows: int
    alike: str  # another one, that it may be meant for, or that it is read as


class _Part:
    """Some keys of a JSON object as fields. A field that is None has no key."""

    @classmethod
    def load(cls, keys: dict[str, Any]) -> Self:
        return cls(**{one.name: keys[one.name] for one in fields(cls) if one.name in keys})  # type: ignore[arg-type]

    def dump(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass
class Choices(_Part):
    """What a person has decided about an import; columns go by the API's names, rows by their numbers.

    The check reads the first five, so it runs again when one of them changes. The rest chooses among its rows.
    """

    columns: dict[str, str] | None = None  # which column of the file is which; None: as their names say
    constants: dict[str, str] = field(default_factory=dict)  # what a missing column holds
    spellings: dict[str, dict[str, str]] = field(default_factory=dict)  # column: what a new value should have been
    fixes: dict[str, dict[str, str]] = field(default_factory=dict)  # row: corrected cells
    answers: dict[str, str] = field(default_factory=dict)  # row: the key of the student whom it means, or "new"
    skips: list[int] = field(default_factory=list)  # rows that are left out
    off: list[str] = field(default_factory=list)  # fields that stay as they are
    leavers: str = Leavers.KEEP
    disables: bool = False  # the accounts of the leavers, too

    def rows_differ(self, other: "Choices") -> bool:
        """Tell whether the two make other rows of one file."""
        names = ("constants", "spellings", "fixes", "answers")
        return any(getattr(self, name) != getattr(other, name) for name in names)


@dataclass
class Findings(_Part):
    """What the check has found in the file of an import."""

    shape: Shape = field(default_factory=lambda: Shape(heads=[], samples=[]))
    sheets: list[str] = field(default_factory=lambda: [""])  # names of those that list students
    shown: list[str] | None = None  # columns of the table; None: all
    missing: list[str] = field(default_factory=list)  # required columns that the file lacks
    dropped: list[str] = field(default_factory=list)  # what of the file is not imported
    notes: list[str] = field(default_factory=list)  # what of it is imported in another way than it stands there
    new: list[SpeltValue] = field(default_factory=list)
    mended: list[SpeltValue] = field(default_factory=list)
    changed: dict[str, int] = field(default_factory=dict)  # field: number of rows

    def at(self, number: int) -> tuple[str, str]:
        """Return the sheet, if there are several, and the row of the file in which a row of the run stands."""
        sheets = self.sheets[number // SHEET_STEP :] if len(self.sheets) > 1 else []
        return "".join(sheets[:1])[:20], str(number % SHEET_STEP)

    def place_of(self, number: int) -> str:
        """Say where a row of the run stands in the file: ``“H51901”第3行``."""
        sheet, row = self.at(number)
        return f"“{sheet}”第{row}行" if sheet else f"第{row}行"


@dataclass
class UndoNote(_Part):
    """What an undoing needs beside the rows: of an operation on a class, of a change of states, of an import."""

    step: str | None = None  # rename, merge, split, end, state
    before: str = ""  # the class
    after: str = ""  # the class that its students went to
    is_new: bool | None = None  # ``after`` did not exist
    row: tuple[int, dict[str, list[Any]]] | None = None  # key of the class; its fields before and after
    accounts: list[int] | None = None  # users that went along
    archived: list[int] | None = None  # archived students that went along
    notes: dict[str, Any] | None = None  # of those who listen
    disabled: list[int] | None = None  # users

    def dump(self) -> dict[str, Any]:
        return {name: value for name, value in super().dump().items() if value != ""}
