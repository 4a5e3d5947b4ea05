"""The command on whole dumps: what it foretells comes, once, and nothing a document holds stops it."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import pytest
from django.core.management import CommandError, call_command
from django.db import DataError, OperationalError, connection
from django.db.models import Sum
from openpyxl import load_workbook

from accounts.models import LoginLog, User
from moving.models import Arrival
from moving.run import Import, alone
from moving.tests.dumps import documents_make, dump_write
from permissions.models import Role
from permissions.services.roles import roles_seed
from shop.models import CartItem, Category, Order, OrderLine, OrderLog, Product
from students.counts import class_counts, counts_wrong, student_count
from students.models import Student
from weather.models import WeatherRecord

MODELS = (
    Role,
    User,
    LoginLog,
    WeatherRecord,
    Student,
    Category,
    Product,
    CartItem,
    Order,
    OrderLine,
    OrderLog,
    Arrival,
)


@pytest.fixture(scope="module")
def school():
    """A school's dump with all the dirt of the generator."""
    return documents_make(students=600, users=120, orders=150)


ODD = [None, "", [], {}, [[1]], "长" * 5000, -(10**30), float("nan"), True, "\x00\ud800", "\uffff"]


def rows():
    """Everything there is, by model, without what is drawn by chance."""
    return {model.__name__: model.objects.count() for model in MODELS}


def all_rows():
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in MODELS}


def numbers(table):
    """Of each collection: documents, came, mended, here, refused."""
    lines = table.split("\n\n")[0].splitlines()[1:]
    return {line.split()[1]: [int(cell.replace(",", "")) for cell in line.split()[2:]] for line in lines}


def entries(move):
    return [json.loads(line) for line in (move.folder / "documents.jsonl").read_text("utf-8").splitlines()]


def test_the_check_writes_nothing_and_foretells_the_run(move, school):
    before = all_rows()

    foretold = move(school, check=True)

    assert all_rows() == before
    assert move(school) == foretold
    came = {name: row[1] for name, row in numbers(foretold).items()}
    grown = {name: count - len(before[name]) for name, count in rows().items()}
    assert grown["Role"] == 2  # the other three are here from the start
    assert {name: grown[name] for name in ("User", "LoginLog", "WeatherRecord", "Student", "CartItem", "Order")} == {
        "User": came["users"], "LoginLog": came["logs"], "WeatherRecord": came["weather"],
        "Student": came["students"], "CartItem": came["carts"], "Order": came["order_masters"],
    }  # fmt: skip
    assert grown["OrderLog"] == grown["Order"] and grown["Product"] > came["products"]


def test_every_document_is_counted_and_every_mended_or_refused_one_is_written_down(move, school):
    counted = numbers(move(school))

    assert {name: row[0] for name, row in counted.items()} == {name: len(found) for name, found in school.items()}
    for name, (total, came, mended, here, refused) in counted.items():
        assert total == came + here + refused
        written = [entry["outcome"] for entry in entries(move) if entry["collection"] == name]
        assert (written.count("修补"), written.count("拒绝")) == (mended, refused)


@pytest.mark.parametrize("form", ["array", "pretty", "bson"])
def test_all_forms_of_a_dump_bring_the_same(move, school, form):
    assert move(school, form=form, check=True) == move(school, check=True)


def test_again_it_brings_nothing_and_touches_nothing(move, school):
    earlier = numbers(move(school))
    first = all_rows()

    counted = numbers(move(school))

    assert all_rows() == first
    assert all(came == mended == 0 for _, came, mended, _, _ in counted.values())
    assert {name: row[3] for name, row in counted.items()} == {name: row[1] + row[3] for name, row in earlier.items()}


def test_a_week_later_it_brings_what_is_new_and_leaves_what_was_changed_or_deleted_here(move):
    old, new = (documents_make(students=number, users=number // 5, orders=0) for number in (200, 230))
    half = {name: new[name][: len(old[name])] for name in ("students", "users")}
    move(half)
    gone, kept = Student.objects.order_by("pk")[:2]
    gone.delete()
    Student.objects.filter(pk=kept.pk).update(city="深圳")
    before = student_count()

    counted = numbers(move({name: new[name] for name in ("students", "users")}))

    assert counted["students"][1] == student_count() - before > 20
    assert counted["users"][1] == 6
    assert not Student.objects.filter(sid=gone.sid).exists()
    assert Student.objects.get(pk=kept.pk).city == "深圳"


def test_a_dump_with_other_ids_of_mongodb_is_recognised_by_what_stays(move, school):
    move(school)
    before = rows()
    anew = {name: [{k: v for k, v in one.items() if k != "_id"} for one in found] for name, found in school.items()}
    for name in ("users", "students"):  # these cannot be recognised: their numbers were made here
        anew[name] = [one for one in anew[name] if one.get("unid", one.get("sId"))]

    move(anew)

    # Two students with one number: who was second got a new one, and is second again.
    strangers = Student.objects.count() - before["Student"]
    assert strangers <= 6
    assert rows() == before | {"Student": before["Student"] + strangers, "User": User.objects.count()}


@pytest.mark.parametrize("collection", ["users", "students", "order_masters"])
def test_killed_half_way_and_started_again_it_goes_on(move, school, monkeypatch, collection):
    write_all = Import._arrive
    began = []

    def die(self, translation, arriving):
        write_all(self, translation, arriving)
        if translation.collection == collection:
            began.append(len(arriving))
            raise SystemExit  # as a kill between two batches; within one, nothing is committed

    with monkeypatch.context() as patch:
        patch.setattr(Import, "_arrive", die)
        with pytest.raises(SystemExit):
            move(school)
    counted = numbers(move(school))
    resumed = rows()

    assert counted[collection][3] >= began[0] > 0
    assert counts_wrong() == []
    for model in reversed(MODELS):
        model.objects.exclude(**({"roleid__in": ["1", "102", "103", "200"]} if model is Role else {})).delete()
    roles_seed(reset=True)
    move(school)
    assert resumed == rows()


def test_the_database_gone_ends_the_run_and_is_nobodys_fault(move, school, monkeypatch):
    def gone(*args, **options):
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(Student.objects.__class__, "bulk_create", gone)

    with pytest.raises(OperationalError):
        move({"students": school["students"]})

    assert "数据库" not in (move.folder / "documents.jsonl").read_text("utf-8")


def test_a_document_that_the_database_refuses_does_not_keep_the_others_out(move, monkeypatch):
    found = documents_make(students=10, users=1, orders=0)["students"]
    create = Student.objects.bulk_create

    def refuse(students, *args, **options):
        if any(student.sid == found[3]["sId"] for student in students):
            raise DataError("no")
        return create(students, *args, **options)

    monkeypatch.setattr(Student.objects, "bulk_create", refuse)

    assert numbers(move({"students": found}))["students"] == [10, 9, 0, 0, 1]
    assert "数据库拒绝" in entries(move)[0]["reasons"][0][0]


@pytest.mark.parametrize("name", sorted({*documents_make(students=3, users=3, orders=1)}))
def test_nothing_a_document_holds_stops_it(move, name):
    whole = documents_make(students=3, users=3, orders=1)
    pairs = [(field, value) for field in whole[name][0] for value in ODD]
    odd = [{**whole[name][0], "_id": at, field: value} for at, (field, value) in enumerate(pairs)]
    alone = {} if name != "order_details" else {"order_masters": []}

    counted = numbers(move({name: [*odd, "no document", whole[name][-1]], **alone}))

    assert counted[name][0] == len(odd) + 2
    reasons = [reason for entry in entries(move) for reason, _ in entry["reasons"]]
    assert [reason for reason in reasons if "意外" in reason or "数据库" in reason] == []


def test_students_are_counted_exactly(move, school):
    move(school)

    assert counts_wrong() == []
    assert student_count() == Student.objects.count() == sum(number for _, number in class_counts())


def test_no_stock_moves_and_nothing_is_left_for_a_sweep(move, school):
    move(school)

    assert not Order.objects.filter(sweep_at__isnull=False).exists()
    assert not Order.objects.filter(state="open").exists()
    wanted = sum(one["inventory"] for one in school["products"] if one["price"] and one["inventory"] > 0)
    assert Product.objects.aggregate(sum=Sum("stock"))["sum"] == wanted


def test_files_of_the_report_are_for_their_owner_and_hold_no_password(move, school):
    secret = "never-to-be-seen-77"
    users = [dict(one, password=secret) for one in school["users"][:40]]
    users.append({"username": "", "password": secret})
    found = {"users": users}

    move(found)

    texts = [path.read_text("utf-8-sig") for path in move.folder.iterdir() if path.suffix != ".xlsx"]
    texts += [str(list(load_workbook(move.folder / "problems.xlsx").active.values))]
    assert not any(secret in text for text in texts)
    assert {stat.S_IMODE(path.stat().st_mode) for path in move.folder.iterdir()} == {0o600}
    assert stat.S_IMODE(move.folder.stat().st_mode) == 0o700


def test_a_user_that_cannot_be_read_is_not_quoted(move, tmp_path):
    (tmp_path / "dump").mkdir()
    (tmp_path / "dump/users.json").write_text('{"username":"a","password":"never-seen" "x"}\n')

    with pytest.raises(CommandError, match="不完整"):
        call_command("import_old", str(tmp_path / "dump"), report=tmp_path / "report")

    assert "不是完整的 JSON" in (tmp_path / "report/documents.jsonl").read_text("utf-8")
    assert "never-seen" not in (tmp_path / "report/documents.jsonl").read_text("utf-8")


def test_without_roles_it_does_not_begin(db, tmp_path):
    dump_write(tmp_path, documents_make(students=1, users=1, orders=0))
    Role.objects.all().delete()

    with pytest.raises(CommandError, match="prepare"):
        call_command("import_old", str(tmp_path), report=tmp_path / "report")


def test_what_is_no_dump_is_refused_in_a_sentence(roles, tmp_path):
    with pytest.raises(CommandError, match="不是文件夹"):
        call_command("import_old", str(tmp_path / "none"), report=tmp_path / "report")
    with pytest.raises(CommandError, match="不是文件夹"):
        call_command("import_old", str(tmp_path), pictures=tmp_path / "none")
    with pytest.raises(CommandError, match="无法建立"):
        call_command("import_old", str(tmp_path), report=tmp_path / "report")


# --- Two at once -------------------------------------------------------------------------------------


def test_a_second_one_is_refused_while_the_first_is_at_work(move, school):
    with alone(), pytest.raises(CommandError, match="另一个导入正在运行"):
        move(school)

    assert not Student.objects.exists()
    move({"students": school["students"]})
    assert Student.objects.exists()


def _two_at_once(tmp_path, monkeypatch):
    """Run a second import while the first is about to write its logins; answer what became of the documents."""
    found = documents_make(students=0, users=5, orders=0)
    dump_write(tmp_path / "dump", {"logs": found["logs"]})
    arrive, refusals = Import._arrive, []

    def second():
        try:
            call_command("import_old", str(tmp_path / "dump"), report=tmp_path / "second")
        except CommandError as error:
            refusals.append(str(error))
        finally:
            connection.close()

    def first(self, translation, arriving):
        monkeypatch.setattr(Import, "_arrive", arrive)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(second).result()
        arrive(self, translation, arriving)

    monkeypatch.setattr(Import, "_arrive", first)
    call_command("import_old", str(tmp_path / "dump"), report=tmp_path / "first")
    return refusals, (tmp_path / "first/documents.jsonl").read_text("utf-8")


def test_two_at_once_bring_everything_once(transactional_db, tmp_path, monkeypatch):
    refusals, refused = _two_at_once(tmp_path, monkeypatch)

    assert len(refusals) == 1 and "另一个导入" in refusals[0]
    assert LoginLog.objects.count() == 5 and refused == ""


def test_twin_without_the_lock_the_first_reports_as_refused_what_the_second_brought(
    transactional_db, tmp_path, monkeypatch
):
    monkeypatch.setattr("moving.management.commands.import_old.alone", nullcontext)

    refusals, refused = _two_at_once(tmp_path, monkeypatch)

    assert refusals == [] and refused.count("数据库拒绝") == 5
    assert LoginLog.objects.count() == 5  # even so nothing is there twice: an arrival is noted once


@pytest.mark.parametrize("form", ["lines", "bson"])
@pytest.mark.parametrize("is_check", [True, False])
def test_a_file_that_is_cut_off_heads_the_table_and_ends_the_command_with_an_error(
    roles, tmp_path, capsys, form, is_check
):
    dump_write(tmp_path / "dump", {"users": [{"username": f"u{n}", "unid": f"n{n}"} for n in range(3)]}, form=form)
    file = next(path for path in (tmp_path / "dump").rglob("users.*") if "metadata" not in path.name)
    file.write_bytes(file.read_bytes()[:-9])

    with pytest.raises(CommandError, match="1 个文件不完整"):
        call_command("import_old", str(tmp_path / "dump"), report=tmp_path / "report", check=is_check)

    assert capsys.readouterr().out.startswith(f"文件不完整：读到 {file.name} #3 为止")
    assert User.objects.filter(username__in=["u0", "u1", "u2"]).count() == (0 if is_check else 2)


def test_strict_ends_with_an_error_where_anything_was_refused(move):
    found = {"users": [{"unid": "no-name"}]}
    move(found)

    with pytest.raises(CommandError, match="1 个文档或图片被拒绝"):
        move(found, strict=True)


def test_the_report_has_a_spreadsheet_and_cuts_long_texts(move):
    move({"users": [{"unid": "no-name", "headimgurl": "长" * 300_000, "roles": [["x" * 300] * 50]}]})

    (entry,) = entries(move)
    (_, row) = load_workbook(move.folder / "problems.xlsx").active.iter_rows(values_only=True)

    assert entry["document"]["headimgurl"] == "长" * 200 + "…（共 300000 个字）"
    assert row[:3] == ("users", "users.json #1", "拒绝") and len(row[4]) < 6_000


def test_a_dump_in_one_archive_file_is_named(roles, tmp_path):
    (tmp_path / "school.archive").write_bytes(b"\x6d\xe2\x99\x81" + b"x" * 100)

    with pytest.raises(CommandError, match="--archive"):
        call_command("import_old", str(tmp_path), report=tmp_path / "report")
