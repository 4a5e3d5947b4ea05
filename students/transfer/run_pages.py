"""What the page of a run says, and which rows it shows: a class for each kind of run."""

from collections import Counter
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpRequest

from core.admin.base import KnownCount
from students.bulk import changes_load
from students.models import RowKind, RunState, TransferRow, TransferRun
from students.run_facts import UndoNote
from students.transfer.photos import MAX_FILES, WRITTEN


class RunPage:
    """The page of a change that is made at once. The template reads what is public."""

    file_template = ""  # what stands above the rows, about the file
    rows_template = "students/run_rows.html"
    another_file = ""  # the page that takes another file
    is_wide = False
    per_page = 40
    labels: ClassVar[dict[str, str]] = {}  # of tabs, where they are not those of the kinds of rows
    what, before = "修改", "修改之前"

    def __init__(self, run: TransferRun) -> None:
        self.run, self.counts = run, Counter(run.counts)

    def has_result(self) -> bool:
        return False

    def shows_rows(self) -> bool:
        return self.run.state != RunState.CHECKING

    def done_text(self) -> str:
        same, note = self.counts[RowKind.UNCHANGED], UndoNote.load(self.run.options)
        text = f"已修改 {self.counts[RowKind.CHANGED]} 名学员" + (f"，另外 {same} 名本来就是这样。" if same else "。")
        return text + (f"{note.before} 没有学员了，状态改为结业。" if note.step == "merge" else "")

    def undone_text(self) -> str:
        return f"{self.counts[RowKind.UNDONE]} 名学员回到{self.before}。"

    def undo_text(self) -> str:
        number = self.counts[RowKind.CHANGED]
        return f"修改的 {number} 名改回原来的内容；之后又被修改过的学员保持不变，并会列出来。"

    def kinds(self) -> dict[str, int]:
        """Return the tabs, each with its number of rows."""
        return {kind: self.counts[kind] for kind in RowKind if self.counts[kind]}

    def rows(self, kind: str) -> QuerySet[TransferRow]:
        return TransferRow.objects.filter(run=self.run, kind=kind)

    def facts(self, request: HttpRequest) -> dict[str, Any]:
        """Return what the templates show of the rows: the tabs, and one page of the chosen one."""
        kinds = self.kinds()
        kind = next((kind for kind in kinds if kind == request.GET.get("kind")), next(iter(kinds), ""))
        page = KnownCount(self.rows(kind), self.per_page, kinds.get(kind, 0)).get_page(request.GET.get("p", "1"))
        tabs = [(one, self.labels.get(one) or RowKind(one).label, number) for one, number in kinds.items()]
        rows = [(row, changes_load(row.diff) if row.kind in WRITTEN else []) for row in page]
        return {"kind": kind, "page": page, "tabs": tabs, "rows": rows}


class DeletionPage(RunPage):
    what = "删除"

    def done_text(self) -> str:
        gone = self.counts[RowKind.GONE]
        return f"已删除 {self.counts[RowKind.DELETED]} 名学员" + (f"，另外 {gone} 名已经不存在。" if gone else "。")

    def undone_text(self) -> str:
        rest = self.counts[RowKind.SKIPPED]
        return f"恢复了 {self.counts[RowKind.UNDONE]} 名学员" + (f"，{rest} 名还没有删除。" if rest else "。")

    def undo_text(self) -> str:
        return "已删除的学员会恢复，学号、头像、创建时间都和原来一样。"


class PhotosPage(RunPage):
    file_template = "students/photos_file.html"
    rows_template = "students/photo_rows.html"
    another_file = "admin:students_photos"
    per_page = 2 * MAX_FILES  # all ticks are sent together
    labels: ClassVar = {"": "全部"}

    def done_text(self) -> str:
        return f"已更换 {self.counts[RowKind.DONE]} 名学员的头像。"

    def kinds(self) -> dict[str, int]:
        return {"": self.counts.total()} if self.counts else {}

    def rows(self, kind: str) -> QuerySet[TransferRow]:
        return TransferRow.objects.filter(run=self.run)
