"""Whatever a file looks like, its documents are read one by one, and a bad one does not hide the next."""

import gzip
from datetime import UTC, datetime

import bson
import pytest
from bson import ObjectId

from moving.dump import Dump, ImportRefused

NOW = datetime(2026, 11, 30, tzinfo=UTC)
ID = ObjectId("5cd3c534e1e75b0ea034cf83")


def documents(path):
    return Dump({"students": path}, NOW, is_check=True).documents("students")


def names(path):
    return [(one.fields.get("name"), bool(one.fault)) for one in documents(path)]


def written(tmp_path, content, name="students.json"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_values_of_extended_json_are_what_they_stand_for(tmp_path):
    text = (
        '{"_id":{"$oid":"5cd3c534e1e75b0ea034cf83"},"at":{"$date":"2019-05-09T02:14:12Z"},'
        '"n":{"$numberLong":"7"},"list":[{"$numberInt":"1"}]}'
    )

    [document] = documents(written(tmp_path, text))

    assert document.fields["_id"] == ID and document.old_id == str(ID)
    assert document.fields["at"] == datetime(2019, 5, 9, 2, 14, 12, tzinfo=UTC)
    assert (document.fields["n"], document.fields["list"]) == (7, [1])


@pytest.mark.parametrize(
    "content",
    [
        '[{"name":"a"},{"name":"b"}]',  # one line
        '[\n{"name":"a"},\n{"name":"b"}\n]\n',
        '[{\n  "name": "a"\n},\n{\n  "name": "b"\n}]',  # Compass
        '{"name":"a"}\r\n{"name":"b"}\r\n',
        b'\xef\xbb\xbf{"name":"a"}\n{"name":"b"}',
    ],
)
def test_json_is_read_in_all_spellings_also_compressed(tmp_path, content):
    assert names(written(tmp_path, content)) == [("a", False), ("b", False)]
    packed = gzip.compress(content if isinstance(content, bytes) else content.encode())
    assert names(written(tmp_path, packed, "students.json.gz")) == [("a", False), ("b", False)]


@pytest.mark.parametrize("encoding", ["utf-8", "gbk", "utf-16"])
def test_a_file_that_an_editor_or_powershell_has_saved_is_read(tmp_path, encoding):
    content = '{"name":"谭鹏"}\n{"name":"王远杰"}\n'.encode(encoding)
    assert names(written(tmp_path, content)) == [("谭鹏", False), ("王远杰", False)]


def test_one_text_in_a_broken_encoding_spoils_no_other(tmp_path):
    content = '{"name":"谭鹏"}\n{"name":"王远杰"}\n'.encode() + b'{"name":"\xb2\xe2"}\n{"name":"b"}\n'
    assert [name for name, _ in names(written(tmp_path, content))][:2] == ["谭鹏", "王远杰"]
    assert names(written(tmp_path, content))[3] == ("b", False)


@pytest.mark.parametrize(
    "broken",
    ['{"name":', '{"name":"x" "y"}', "nonsense", '{"_id":{"$oid":"zz"}}', "[" * 100_000, '{"a":\n\t{"b": }\n}'],
)
def test_a_broken_document_does_not_hide_the_next(tmp_path, broken):
    rows = list(documents(written(tmp_path, f'{{"name":"a"}}\n{broken}\n{{"name":"b"}}\n')))

    assert [one.fields["name"] for one in rows if not one.fault] == ["a", "b"]
    assert broken.startswith("[") or [bool(one.fault) for one in rows] == [False, True, False]


def test_a_file_that_ends_early_keeps_what_is_whole(tmp_path):
    first, last = bson.encode({"name": "a"}), bson.encode({"name": "b"})
    bad = bytearray(bson.encode({"name": "x"}))
    bad[4] = 0x7E  # no such type

    text = '[{"name":"a"},{"name":"b"},{"na'
    assert names(written(tmp_path, text)) == [("a", False), ("b", False), (None, True)]
    for end in (last[:-3], bytes(bad) + last):
        assert names(written(tmp_path, first + end, "students.bson")) == [("a", False), (None, True)]
        assert names(written(tmp_path, gzip.compress(first + end), "students.bson.gz"))[1:] == [(None, True)]


def test_finds_files_in_the_folder_of_a_database_and_passes_over_clutter(tmp_path):
    folder = tmp_path / "school"
    folder.mkdir()
    for name in ("students.bson", "students.metadata.json", "system.views.bson", "notes.txt", "classes.json"):
        (folder / name).touch()

    def find():
        return Dump.find(tmp_path, ["students", "users"], now=NOW, is_check=True).files

    assert find() == {"students": folder / "students.bson"}
    (folder / "users.jsonl").touch()
    assert find() == {"students": folder / "students.bson", "users": folder / "users.jsonl"}
    (folder / "students.json").touch()
    with pytest.raises(ImportRefused, match="students 有两个文件"):
        find()
