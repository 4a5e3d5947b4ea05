"""Read what `mongoexport` (JSON lines, a JSON array, also `--pretty`) and `mongodump` (BSON) wrote.

One document is read after the other, so memory does not grow with the file. One that cannot be read is handed on with
the reason, and the next one follows; only a file whose end cannot be found any more is given up.
"""

import codecs
import gzip
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import bson
from bson import json_util
from bson.codec_options import CodecOptions, DatetimeConversion

ENDINGS = {".json", ".jsonl", ".bson"}
MAX_DOCUMENT_BYTES = 17 << 20  # MongoDB's own limit of a document is 16 MB
CUT = "文件在这里断开，其余部分无法读取"
SHOWN = 500  # characters of what cannot be read
HEAD_BYTES = 1 << 20  # by them the encoding is guessed
_CLUTTER = re.compile(r"system\.|\.|prelude\.json|oplog\.|.*\.metadata\.json(\.gz)?$")
_BETWEEN = frozenset(" \t\r\n,[]")
_DECODER = json.JSONDecoder()
# Dates out of Python's range come as numbers, texts in a broken encoding with replacement characters.
_OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(
    tz_aware=True, unicode_decode_error_handler="replace", datetime_conversion=DatetimeConversion.DATETIME_AUTO
)
_JSON_OPTIONS = json_util.JSONOptions(tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_AUTO)


class ImportRefused(Exception):
    """The import cannot start or continue; the text says why, to the engineer."""


class DocumentRefused(Exception):
    """One document cannot be imported; the text says why, to staff."""


@dataclass(frozen=True)
class Document:
    """One document; ``fault`` says why it cannot be read."""

    place: str
    fields: dict[str, Any] = field(default_factory=dict)
    fault: str = ""
    is_cut: bool = False  # the rest of the file cannot be read

    @cached_property
    def old_id(self) -> str:
        value = self.fields.get("_id")
        text = "" if value is None else str(value)
        return (text if text.isprintable() else ascii(text))[:64]


def files_find(folder: Path, collections: list[str]) -> tuple[dict[str, Path], list[Path]]:
    """Look for the files of these collections in ``folder`` and below it; return them, and those of none.

    :raises ImportRefused: the folder holds none, or two for one collection.
    """
    if not folder.is_dir():
        raise ImportRefused(f"{folder} 不是文件夹")
    files: dict[str, Path] = {}
    others = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not _CLUTTER.match(path.name)):
        name, _, ending = path.name.removesuffix(".gz").rpartition(".")
        if f".{ending}" not in ENDINGS or name not in collections:
            others.append(path)
        elif name in files:
            raise ImportRefused(f"{name} 有两个文件：{files[name]} 和 {path}，请只留一个")
        else:
            files[name] = path
    if not files:
        if any(_is_archive(path) for path in others):
            raise ImportRefused("这是 mongodump --archive 的文件：请不加 --archive 重新导出，或先用 mongorestore 还原")
        names = "、".join(f"{name}.json" for name in collections)
        raise ImportRefused(f"{folder} 里没有 {names}（或 .bson）")
    return files, others


def _is_archive(path: Path) -> bool:
    with path.open("rb") as raw:
        file: Any = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw
        try:
            return file.read(4) == b"\x6d\xe2\x99\x81"
        except OSError:
            return False


def documents(path: Path) -> Iterator[Document]:
    """Read the documents of a file. One that cannot be read has a ``fault``.

    :raises ImportRefused: it cannot be opened, or its compression is broken.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            reader: Callable[[Any], Iterator[Read]] = _bson if ".bson" in path.suffixes else _json
            for number, (fields, fault) in enumerate(reader(file), 1):
                yield Document(f"{path.name} #{number}", fields, fault, fault.startswith(CUT))
    except (OSError, EOFError) as error:
        raise ImportRefused(f"无法读取 {path}：{error}") from error


Read = tuple[dict[str, Any], str]


def _bson(file: IO[bytes]) -> Iterator[Read]:
    while head := file.read(4):
        size = int.from_bytes(head, "little")
        body = file.read(size - 4) if 5 <= size <= MAX_DOCUMENT_BYTES else b""
        if len(head) + len(body) != size:
            yield {}, f"{CUT}：不是完整的 BSON"
            return
        try:
            yield bson.decode(head + body, _OPTIONS), ""
        except Exception as error:  # the codec raises half a dozen kinds for broken documents
            yield {}, f"不是有效的 BSON: {error}"


def _json(file: Any) -> Iterator[Read]:
    encoding = _encoding(file.read(HEAD_BYTES))
    file.seek(0)
    with io.TextIOWrapper(file, encoding, "replace") as lines:
        waiting = ""
        for text in _texts(lines):
            yield from _decoded(waiting, is_last=False)
            waiting = text
        yield from _decoded(waiting, is_last=True)


def _decoded(text: str, *, is_last: bool) -> Iterator[Read]:
    at = 0
    while at < len(text):
        if text[at] in _BETWEEN:
            at += 1
            continue
        try:
            value, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            fault = f"{CUT}：不是完整的 JSON" if is_last else "不是有效的 JSON"
            yield {"text": text[at : at + SHOWN]}, f"{fault}：{error}"
            return
        yield _plain(value)


def _texts(lines: Iterable[str]) -> Iterator[str]:
    """Part the lines where a document begins: at a brace that begins a line, for a text in JSON holds no line break."""
    text: list[str] = []
    for line in lines:
        if line.lstrip("[,")[:1] == "{":
            yield "".join(text)
            text = [line.lstrip("[,")]
        else:
            text.append(line)
    yield "".join(text)


def _encoding(piece: bytes) -> str:
    """Tell the encoding of a file: PowerShell's ``>`` writes UTF-16, and an editor may have saved it as GBK."""
    if piece.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    # Read as UTF-8, most Chinese characters of a file with some broken texts are whole, and hardly any of GBK.
    characters = re.findall("[^\x00-\x7f]", codecs.getincrementaldecoder("utf-8")("replace").decode(piece))
    return "gb18030" if characters.count("\ufffd") > len(characters) / 2 else "utf-8-sig"


def _plain(value: Any) -> Read:
    try:
        fields = _values(value)
    except Exception as error:  # json_util raises half a dozen kinds for broken values
        return {"text": str(value)[:SHOWN]}, f"不是有效的扩展 JSON: {error}"
    return (fields, "") if isinstance(fields, dict) else ({"text": str(value)[:SHOWN]}, "不是文档")


def _values(value: Any) -> Any:
    """Turn ``{"$oid": …}``, ``{"$date": …}``, ``{"$numberLong": …}`` and the like into what they stand for."""
    if isinstance(value, list):
        return [_values(item) for item in value]
    if not isinstance(value, dict):
        return value
    inner = {name: _values(item) for name, item in value.items()}
    if any(name.startswith("$") for name in inner):
        return json_util.object_hook(inner, _JSON_OPTIONS)
    return inner
