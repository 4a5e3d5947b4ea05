"""Read what `mongoexport` (JSON lines, one array, also `--pretty`) and `mongodump` (BSON) wrote.

A JSON document that cannot be read is handed on with the reason, and the next one follows. Where no next one can be
found, the file is given up.
"""

import codecs
import gzip
import json
import re
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import bson
from bson import json_util
from bson.codec_options import CodecOptions, DatetimeConversion

from moving.document import Document

CUT = "文件在这里断开，其余部分无法读取"
SHOWN = 500  # characters of what cannot be read
HEAD_BYTES = 1 << 20  # by them the encoding is guessed
_FILE = re.compile(r"(\w+)\.(jsonl?|bson)(\.gz)?")
_START = re.compile(r"[^\s,\[\]]")  # of a document: not what stands between two
_LINE = re.compile(r"^[\[,]*\{", re.MULTILINE)  # a document that begins a line; no text in JSON holds a line break
# Dates out of Python's range come as numbers, texts in a broken encoding with replacement characters.
_BSON: CodecOptions[dict[str, Any]] = CodecOptions(
    tz_aware=True, unicode_decode_error_handler="replace", datetime_conversion=DatetimeConversion.DATETIME_AUTO
)
_JSON = json_util.JSONOptions(tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_AUTO)

Read = tuple[dict[str, Any], str]  # the fields, and why a document cannot be read


class ImportRefused(Exception):
    """The import cannot start or continue; the text says why, to the engineer."""


@dataclass(frozen=True)
class Dump:
    """The old server's data, and how it is brought: by a run, or by a check, which takes all of it back."""

    files: dict[str, Path]  # by collection
    now: datetime
    is_check: bool

    @classmethod
    def find(cls, folder: Path, collections: Collection[str], *, now: datetime, is_check: bool) -> "Dump":
        """Look for the files of these collections in ``folder`` and the folders in it.

        :raises ImportRefused: there are none, or two for one collection.
        """
        files: dict[str, Path] = {}
        for path in sorted(folder.rglob("*")):
            match = _FILE.fullmatch(path.name)
            if match and match[1] in collections and files.setdefault(match[1], path) != path:
                raise ImportRefused(f"{match[1]} 有两个文件：{files[match[1]]} 和 {path}，请只留一个")
        if not files:
            raise ImportRefused(f"{folder} 里没有 students.json、users.bson 等文件；mongodump 请不加 --archive")
        return cls(files, now, is_check)

    def documents(self, collection: str) -> Iterator[Document]:
        """Read the documents of a collection. One that cannot be read has a ``fault``.

        :raises ImportRefused: its file cannot be opened, or its compression is broken.
        """
        if not (path := self.files.get(collection)):
            return
        try:
            with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
                reading = _bson(file) if ".bson" in path.suffixes else _json(_decoded(file.read()))
                for number, (fields, fault) in enumerate(reading, 1):
                    yield Document(f"{path.name} #{number}", fields, self.now, fault)
        except (OSError, EOFError, zlib.error) as error:
            raise ImportRefused(f"无法读取 {path}：{error}") from error


def _bson(file: Any) -> Iterator[Read]:
    try:
        for fields in bson.decode_file_iter(file, _BSON):
            yield fields, ""
    except Exception:  # the codec raises half a dozen kinds for a file that is cut off or broken
        yield {}, CUT


def _decoded(content: bytes) -> str:
    """Decode a text file: PowerShell's ``>`` writes UTF-16, and an editor may have saved it as GBK."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace")
    # Read as UTF-8, most Chinese characters of a file with some broken texts are whole, and hardly any of GBK.
    foreign = re.findall(r"[^\x00-\x7f]", content[:HEAD_BYTES].decode(errors="replace"))
    is_gbk = foreign.count("\ufffd") > len(foreign) / 2
    return content.decode("gb18030" if is_gbk else "utf-8-sig", "replace")


def _json(text: str) -> Iterator[Read]:
    decoder, at = json.JSONDecoder(), 0
    while start := _START.search(text, at):
        begin = start.start()
        try:
            _, at = decoder.raw_decode(text, begin)
        except (ValueError, RecursionError) as error:
            line = _LINE.search(text, start.end())
            at = line.start() if line else len(text)
            yield {"text": text[begin : begin + SHOWN]}, f"不是有效的 JSON：{error}" if line else CUT
        else:
            yield _fields(text[begin:at])


def _fields(text: str) -> Read:
    """Read one document, with ``{"$oid": …}``, ``{"$date": …}`` and the like as what they stand for."""
    try:
        fields = json_util.loads(text, json_options=_JSON)
    except Exception as error:  # json_util raises half a dozen kinds for broken values
        return {"text": text[:SHOWN]}, f"不是有效的扩展 JSON：{error}"
    return (fields, "") if isinstance(fields, dict) else ({"text": text[:SHOWN]}, "不是文档")
