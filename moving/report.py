"""The report of an import: how much of each collection came, and a file of all that was mended or refused, and why."""

import csv
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path

from core.sheets.write import escaped
from moving.dump import Document
from moving.pictures import Figures
from moving.values import Fix

PROBLEMS = "problems.csv"
# Of users. A piece of a document that cannot be read ("text") may hold the password as well.
SECRETS = {"password", "text"}
MAX_CONTENT = 2_000  # characters of a document: one field may hold a whole picture
_HEAD = ("集合", "文档", "结果", "原因", "内容")


class Outcome(StrEnum):
    CAME = "带入"
    HERE = "已有"
    REFUSED = "拒绝"


class ImportReport:
    """Count outcomes, and write the problems into a file of ``folder``, at once, so that it survives a killed import.

    It holds personal data, so only its owner may read it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, mode=0o700)
        self.path = folder / PROBLEMS
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._labels: dict[str, str] = {}
        self._reasons: Counter[tuple[str, str, str]] = Counter()
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        # Excel knows UTF-8 by the mark at the beginning of the file.
        self._file = os.fdopen(handle, "w", encoding="utf-8-sig", errors="backslashreplace", newline="")
        self._rows = csv.writer(self._file)
        self._rows.writerow(_HEAD)
        self.pictures: Figures | None = None  # of a run that brings them
        self.cuts: list[str] = []  # where a file ends before its end

    def collection(self, name: str, label: str) -> None:
        self._labels[name] = label

    def add(
        self, name: str, outcome: Outcome, document: Document, *, fixes: Sequence[Fix] = (), reason: str = ""
    ) -> None:
        self.counts[name][outcome] += 1
        if document.is_cut:
            self.cuts.append(document.place)
        reasons = [(reason, "")] if reason else fixes
        if outcome is Outcome.HERE or not reasons:
            return
        word = "拒绝" if reason else "修补"
        self.counts[name]["fixed"] += not reason
        self._reasons.update({(name, word, what) for what, _ in reasons})
        fields = {key: value for key, value in document.fields.items() if name != "users" or key not in SECRETS}
        content = json.dumps(fields, ensure_ascii=False, default=str)
        self._write(name, document.place, word, "；".join(_sentence(*one) for one in reasons), content)

    def _write(self, *cells: str) -> None:
        self._rows.writerow([escaped(cell[:MAX_CONTENT]) for cell in cells])

    def close(self) -> None:
        self._file.close()

    def end(self) -> str:
        """Write down the pictures that did not come, and return what the command prints."""
        pictures = self.pictures or Figures()
        for path, reason in pictures.refused.items():
            self._write("图片", path, "拒绝", reason, "")
        for path in sorted(pictures.missing):
            self._write("图片", path, "缺少", "图片不在图片目录中", "")
        self._file.flush()
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for place in self.cuts:
            yield f"文件不完整：读到 {place} 为止，后面的都没有带入。请重新导出这个文件，再运行一次"
        for name, label in self._labels.items():
            counts = self.counts[name]
            total = sum(counts[outcome] for outcome in Outcome)
            yield (
                f"{label} {name}：{total:,} 个文档，带入 {counts[Outcome.CAME]:,}（其中修补 {counts['fixed']:,}），"
                f"已有 {counts[Outcome.HERE]:,}，拒绝 {counts[Outcome.REFUSED]:,}"
            )
            for (collection, word, what), number in self._reasons.most_common():
                if collection == name:
                    yield f"    {word} {number:,} 个：{what}"
        if pictures := self.pictures:
            yield (
                f"图片：收下 {pictures.stored:,} 张，拒绝 {len(pictures.refused):,} 张，"
                f"缺少 {len(pictures.missing):,} 张，改写地址 {pictures.rewritten:,} 个"
            )
        yield f"被拒绝和修补的每个文档及原因：{self.path}"


def _sentence(what: str, detail: str) -> str:
    return f"{what}（{detail}）" if detail else what
