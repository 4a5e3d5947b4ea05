"""The report of an import: a table of counts, and a file of all documents that were corrected or refused, and why."""

import csv
import json
import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Any

from core.sheets.write import escaped, sheet_write
from moving.dump import Document
from moving.pictures import Figures
from moving.values import Fix

# Of users. A piece of a document that cannot be read ("text") may hold the password as well.
MAX_PROBLEMS = 100_000  # rows of the spreadsheet
MAX_FIELDS = 100
SECRETS = {"password", "text"}
DOCUMENTS, PROBLEMS, PASSWORDS, TABLE = "documents.jsonl", "problems.xlsx", "weak-passwords.csv", "table.txt"
SHOWN_TEXT, SHOWN_ITEMS = 200, 20  # of a document in the report: characters of a text, entries of a list
_PROBLEM_HEAD, _PROBLEM_WIDTHS = ["集合", "文档", "结果", "原因", "内容"], [18, 26, 8, 60, 80]
_COLUMNS = ("集合", "文档", "带入", "其中修补", "已有", "拒绝")
_WIDTHS = (26, 9, 9, 10, 9, 9)


class Outcome(StrEnum):
    CAME = "带入"
    HERE = "已有"
    REFUSED = "拒绝"


class ImportReport:
    """Count outcomes and write files in ``folder``. They hold personal data, so only their owner may read them."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, mode=0o700)
        self.folder = folder
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._labels: dict[str, str] = {}
        self._reasons: Counter[tuple[str, str, str]] = Counter()
        self._documents = self._open(DOCUMENTS)
        self._weak: Any = None
        self.weak_passwords = 0
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
        if outcome is Outcome.HERE:
            return
        reasons = [(reason, "")] if reason else fixes
        word = "拒绝" if reason else "修补"
        if not reasons:
            return
        self.counts[name]["fixed"] += not reason
        self._reasons.update({(name, word, what) for what, _ in reasons})
        fields = {key: value for key, value in document.fields.items() if name != "users" or key not in SECRETS}
        excerpt = _shortened(fields)
        entry = {"collection": name, "place": document.place, "outcome": word, "reasons": reasons, "document": excerpt}
        print(json.dumps(entry, ensure_ascii=False, default=str), file=self._documents)

    def weak_password(self, user: dict[str, Any], problem: str) -> None:
        if self._weak is None:
            self._weak = self._open(PASSWORDS, "utf-8-sig")  # Excel wants the mark
            csv.writer(self._weak).writerow(["用户名", "昵称", "角色", "密码的问题"])
        cells = [escaped(str(user.get(key) or "")) for key in ("username", "nickname", "roleid")]
        csv.writer(self._weak).writerow([*cells, problem])
        self.weak_passwords += 1

    def close(self) -> None:
        self._documents.close()
        if self._weak:
            self._weak.close()

    @property
    def refused(self) -> int:
        """Return how many documents and pictures were refused."""
        documents = sum(counts[Outcome.REFUSED] for counts in self.counts.values())
        return documents + (len(self.pictures.refused) if self.pictures else 0)

    def end(self) -> str:
        """Write the table and the spreadsheet to their files, and return the table."""
        pictures = self.pictures or Figures()
        refusals = [(path, "拒绝", reason) for path, reason in pictures.refused.items()]
        missing = [(path, "缺少", "图片不在图片目录中") for path in sorted(pictures.missing)]
        for path, outcome, reason in refusals + missing:
            entry = {"collection": "图片", "place": path, "outcome": outcome, "reasons": [[reason, ""]]}
            print(json.dumps(entry, ensure_ascii=False), file=self._documents)
        self._documents.flush()
        with self._open(PROBLEMS, None) as file:
            file.write(sheet_write("xlsx", _PROBLEM_HEAD, self._problems(), _PROBLEM_WIDTHS))
        table = "\n".join(self._lines())
        with self._open(TABLE) as file:
            print(table, file=file)
        return table

    def _problems(self) -> Iterator[list[str]]:
        with (self.folder / DOCUMENTS).open(encoding="utf-8") as lines:
            for line in islice(lines, MAX_PROBLEMS):
                entry = json.loads(line)
                reasons = "；".join(f"{what}（{detail}）" if detail else what for what, detail in entry["reasons"])
                content = json.dumps(entry.get("document", {}), ensure_ascii=False)
                yield [entry["collection"], entry["place"], entry["outcome"], reasons, content]

    def _lines(self) -> Iterator[str]:
        for place in self.cuts:
            yield f"文件不完整：读到 {place} 为止，后面的都没有带入。请重新导出这个文件，再运行一次"
        yield _line(_COLUMNS)
        for name, label in self._labels.items():
            counts = self.counts[name]
            total = sum(counts[outcome] for outcome in Outcome)
            numbers = (total, counts[Outcome.CAME], counts["fixed"], counts[Outcome.HERE], counts[Outcome.REFUSED])
            yield _line((f"{label} {name}", *(f"{number:,}" for number in numbers)))
        yield ""
        for name, label in self._labels.items():
            for (collection, word, what), number in self._reasons.most_common():
                if collection == name:
                    yield f"{label}：{word} {number:,} 个 {what}"
        if pictures := self.pictures:
            yield ""
            yield (
                f"图片：收下 {pictures.stored:,} 张，拒绝 {len(pictures.refused):,} 张，"
                f"缺少 {len(pictures.missing):,} 张，改写地址 {pictures.rewritten:,} 个。"
            )
        yield ""
        yield f"被拒绝和修补的每个文档及原因：{self.folder / PROBLEMS}（同样的内容，给程序读：{DOCUMENTS}）"
        if self.weak_passwords:
            text = "个密码不符合要求，请提醒他们修改（登入照常，超级管理员除外）"
            yield f"{self.weak_passwords:,} {text}: {self.folder / PASSWORDS}"

    def _open(self, name: str, encoding: str | None = "utf-8") -> Any:
        """Open a file that only its owner may read; without an encoding, for bytes."""
        handle = os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        if encoding is None:
            return os.fdopen(handle, "wb")
        return os.fdopen(handle, "w", encoding=encoding, errors="backslashreplace", newline="\n")


def _shortened(value: Any) -> Any:
    """Return a value with long texts and lists cut: one field of a document may hold a whole picture."""
    if isinstance(value, dict):
        return {str(key)[:SHOWN_TEXT]: _shortened(one) for key, one in islice(value.items(), MAX_FIELDS)}
    if isinstance(value, list):
        return [_shortened(one) for one in value[:SHOWN_ITEMS]]
    if isinstance(value, (str, bytes)) and len(value) > SHOWN_TEXT:
        return f"{value[:SHOWN_TEXT]!s}…（共 {len(value)} 个字）"
    return value


def _line(cells: tuple[str, ...]) -> str:
    """Write a row of the table: the first cell at the left, numbers at the right."""
    spaces = [" " * (width - _width(cell)) for cell, width in zip(cells, _WIDTHS, strict=True)]
    return cells[0] + spaces[0] + "".join(space + cell for space, cell in zip(spaces[1:], cells[1:], strict=True))


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)
