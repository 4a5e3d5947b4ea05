"""The report of an import: how much of each collection came, and a file of all that was mended or refused, and why."""

import csv
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from core.sheets.write import escaped
from moving.document import Document
from moving.dump import CUT, ImportRefused

PROBLEMS = "problems.csv"
# Of users. A piece of a document that cannot be read ("text") may hold the password as well.
SECRETS = {"password", "text"}
MAX_CONTENT = 2_000  # characters of a document: one field may hold a whole picture


class Outcome(StrEnum):
    CAME = "带入"
    HERE = "已有"
    REFUSED = "拒绝"


class Report:
    """Count outcomes, and write the problems into a file of ``folder``, at once, so that it survives a killed import.

    It holds personal data, so only its owner may read it.

    :raises ImportRefused: the folder exists, or cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, mode=0o700)
        except OSError as error:
            raise ImportRefused(f"无法建立 {folder}：{error.strerror}") from None
        self.path = folder / PROBLEMS
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        # Excel knows UTF-8 by the mark at the beginning of the file.
        self.file = os.fdopen(handle, "w", encoding="utf-8-sig", errors="backslashreplace", newline="")
        self._rows = csv.writer(self.file)
        self._rows.writerow(["集合", "文档", "结果", "原因", "内容"])
        self.pictures: Counter[str] = Counter()  # by what became of them
        self.cuts: list[str] = []  # where a file ends before its end
        self._counts: dict[str, Counter[str]] = {}  # by collection
        self._reasons: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def add(self, collection: str, outcome: Outcome, document: Document) -> None:
        """Count a document; write it down if it was refused, or came with corrections."""
        counts = self._counts.setdefault(collection, Counter(文档=0, 带入=0, 修补=0, 已有=0, 拒绝=0))
        reasons = {document.fault: ""} if outcome is Outcome.REFUSED else document.fixes
        counts.update(["文档", outcome])
        if document.fault == CUT:
            self.cuts.append(document.place)
        if outcome is Outcome.HERE or not reasons:
            return
        result = "拒绝" if document.fault else "修补"
        counts["修补"] += result == "修补"
        self._reasons[collection].update(f"{result}：{what}" for what in reasons)
        sentence = "；".join(f"{what}（{detail}）" if detail else what for what, detail in reasons.items())
        fields = {key: value for key, value in document.fields.items() if collection != "users" or key not in SECRETS}
        content = json.dumps(fields, ensure_ascii=False, default=str)
        self._write(collection, document.place, result, sentence, content)

    def picture(self, result: str, path: str, reason: str) -> None:
        """Count a picture that did not come, and write it down."""
        self.pictures[result] += 1
        self._write("图片", path, result, reason)

    def _write(self, *cells: str) -> None:
        self._rows.writerow([escaped(cell[:MAX_CONTENT]) for cell in cells])

    def lines(self) -> Iterator[str]:
        """Yield what the command prints at the end."""
        for name, counts in [*self._counts.items(), ("图片", self.pictures)]:
            if counts:
                yield f"{name}：" + "，".join(f"{word} {number:,}" for word, number in counts.items())
            yield from (f"    {number:,} 个{reason}" for reason, number in self._reasons[name].most_common())
        yield f"被拒绝和修补的每个文档及原因：{self.path}"
