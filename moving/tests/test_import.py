"""The command on whole dumps: what it foretells comes, once, and nothing a document holds stops it."""

import re
import stat
from contextlib import nullcontext
from functools import partial
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DataError, OperationalError
from django.db.models import Sum

from accounts.models import LoginLog, User
from moving import run
from moving.models import Arrival
from moving.tests.dumps import documents_make
from permissions.models import Role
from permissions.services.roles import roles_seed
from shop.models import CartItem, Category, Order, OrderLine, OrderLog, Product
from students.counts import counts_wrong, student_count
from students.models import Student
from tests.kit import at_once
from weather.models import WeatherRecord

MODELS = (Role, User, LoginLog, WeatherRecord, Student, Category, Product, CartItem)
MODELS += (Order, OrderLine, OrderLog, Arrival)
ODD = [None, "", [], {}, [[1]], "长" * 5000, -(10**30), float("nan"), True, "\x00\ud800", "\uffff"]


@pytest.fixture(scope="module")
def school():
    """A school's dump with all the dirt of the generator."""
    return documents_make(students=600, users=120, orders=150)


def all_rows():
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in MODELS}


def counts():
    return {name: len(rows) for name, rows in all_rows().items()}


def numbers(output):
    """Of each collection: documents, came, mended, here, refused."""
    lines = (line.split("：") for line in output.splitlines() if "：文档 " in line)
    return {label: [int(number) for number in re.findall(r"\d+", counts.replace(",", ""))] for label, counts in lines}


def test_the_check_writes_nothing_and_foretells_the_run_and_a_second_run_brings_nothing(move, school):
    before = all_rows()

    foretold = move(school, check=True)

    assert all_rows() == before
    assert move(school) == foretold
    counted = numbers(foretold)
    grown = {name: count - len(before[name]) for name, count in counts().items()}
    names = {"User": "users", "LoginLog": "logs", "WeatherRecord": "weather", "Student": "students",
             "CartItem": "carts", "Order": "order_masters", "OrderLog": "order_masters"}  # fmt: skip
    assert {name: grown[name] for name in names} == {name: counted[old][1] for name, old in names.items()}
    assert grown["Product"] > counted["products"][1] and grown["Role"] == 2  # the other three are here from the start
    # Every document is counted, and every mended or refused one is written down.
    assert {name: row[0] for name, row in counted.items()} == {name: len(rows) for name, rows in school.items()}
    for name, (total, came, mended, here, refused) in counted.items():
        written = [row["结果"] for row in move.problems() if row["集合"] == name]
        assert total == came + here + refused
        assert (written.count("修补"), written.count("拒绝")) == (mended, refused)
    # Students are counted, no stock moves, and nothing is left for a sweep.
    assert counts_wrong() == [] and student_count() == Student.objects.count()
    assert not Order.objects.exclude(sweep_at=None).exists() and not Order.objects.filter(state="open").exists()
    stock = sum(one["inventory"] for one in school["products"] if one["price"] and one["inventory"] > 0)
    assert Product.objects.aggregate(sum=Sum("stock"))["sum"] == stock

    here = all_rows()
    again = numbers(move(school))
    assert all_rows() == here and all(came == mended == 0 for _, came, mended, _, _ in again.values())
    assert {name: row[3] for name, row in again.items()} == {name: row[1] + row[3] for name, row in counted.items()}


def test_a_week_later_it_brings_what_is_new_and_leaves_what_was_changed_or_deleted_here(move):
    old, new = (documents_make(students=number, users=number // 5, orders=0) for number in (200, 230))
    move({name: new[name][: len(old[name])] for name in ("students", "users")})
    gone, rest = Student.objects.order_by("pk")[:2]
    gone.delete()
    Student.objects.filter(pk=rest.pk).update(city="深圳")
    before = student_count()

    counted = numbers(move({name: new[name] for name in ("students", "users")}))

    assert counted["students"][1] == student_count() - before > 20 and counted["users"][1] == 6
    assert not Student.objects.filter(sid=gone.sid).exists()
    assert Student.objects.get(pk=rest.pk).city == "深圳"


def test_a_dump_with_other_ids_of_mongodb_is_recognised_by_what_stays(move):
    school = documents_make(students=200, users=40, orders=40)
    move(school)
    before = counts()
    anew = {name: [{k: v for k, v in one.items() if k != "_id"} for one in rows] for name, rows in school.items()}
    for name in ("users", "students"):  # these cannot be recognised: their numbers were made here
        anew[name] = [one for one in anew[name] if one.get("unid", one.get("sId"))]

    move(anew)

    # Two students with one number: who was second got a new one, and is second again.
    strangers = Student.objects.count() - before["Student"]
    assert strangers <= 6
    assert counts() == before | {"Student": before["Student"] + strangers, "User": User.objects.count()}


def test_killed_half_way_and_started_again_it_goes_on(move, monkeypatch):
    school, write_all, began = documents_make(students=100, users=50, orders=50), run._write, {}
    monkeypatch.setattr(run, "BATCH", 20)

    def die(table, arriving, report):
        write_all(table, arriving, report)
        if table.collection == collection:
            began[collection] = len(arriving)
            raise SystemExit  # as a kill between two batches; within one, nothing is committed

    with monkeypatch.context() as patch:
        patch.setattr(run, "_write", die)
        for collection in ("users", "students", "order_masters"):
            with pytest.raises(SystemExit):
                move(school)
    counted = numbers(move(school))
    resumed = counts()

    assert all(counted[collection][3] >= number > 0 for collection, number in began.items()) and counts_wrong() == []
    for model in reversed(MODELS):
        model.objects.exclude(**({"roleid__in": ["1", "102", "103", "200"]} if model is Role else {})).delete()
    roles_seed(reset=True)
    move(school)
    assert resumed == counts()


def test_what_the_database_refuses_keeps_no_other_out_and_the_database_gone_ends_the_run(move, monkeypatch):
    people = documents_make(students=10, users=1, orders=0)["students"]
    create = Student.objects.bulk_create

    def refuse(students, *args, **options):
        if any(student.sid == people[3]["sId"] for student in students):
            raise DataError("no")
        return create(students, *args, **options)

    def gone(*args, **options):
        raise OperationalError("the server closed the connection")

    with monkeypatch.context() as patch:
        patch.setattr(Student.objects.__class__, "bulk_create", gone)
        with pytest.raises(OperationalError):
            move({"students": people})
    assert not any("数据库" in reason for reason in move.reasons()), "the document is at fault, not the database"
    monkeypatch.setattr(Student.objects, "bulk_create", refuse)

    assert numbers(move({"students": people}))["students"] == [10, 9, 0, 0, 1]
    assert "数据库拒绝" in move.reasons()[0]


@pytest.mark.parametrize("name", sorted({*documents_make(students=3, users=3, orders=1)}))
def test_nothing_a_document_holds_stops_it(move, name):
    whole = documents_make(students=3, users=3, orders=1)
    pairs = [(field, value) for field in whole[name][0] for value in ODD]
    odd = [{**whole[name][0], "_id": at, field: value} for at, (field, value) in enumerate(pairs)]
    masters = {} if name != "order_details" else {"order_masters": []}

    counted = numbers(move({name: [*odd, "no document", whole[name][-1]], **masters}))

    assert counted[name][0] == len(odd) + 2
    assert [reason for reason in move.reasons() if "意外" in reason or "数据库" in reason] == []


# --- The report ---
def test_the_report_is_for_its_owner_without_passwords_or_long_texts(move, school, settings, tmp_path):
    secret = "never-to-be-seen-77"
    users = [dict(one, password=secret) for one in school["users"][:40]]
    users += [{"username": "", "password": secret}]
    users += [{"unid": "no-name", "headimgurl": "长" * 300_000, "roles": [["x" * 300] * 50]}]

    output = move({"users": users})

    assert output.startswith("users：文档 42，带入 ") and secret not in output
    assert [path.name for path in move.folder.iterdir()] == ["problems.csv"]
    assert secret not in (move.folder / "problems.csv").read_text("utf-8-sig")
    assert stat.S_IMODE((move.folder / "problems.csv").stat().st_mode) == 0o600
    assert stat.S_IMODE(move.folder.stat().st_mode) == 0o700
    (row,) = (row for row in move.problems() if row["文档"] == "users.json #42")
    assert (row["集合"], row["结果"], len(row["内容"])) == ("users", "拒绝", 2_000)
    settings.STATE_DIR = tmp_path
    move({"users": users}, report=None)
    assert len([*tmp_path.glob("moving/*/problems.csv")]) == 1


@pytest.mark.parametrize("form", ["json", "bson"])
@pytest.mark.parametrize("is_check", [True, False])
def test_a_file_that_is_cut_off_ends_the_command_with_an_error(move, form, is_check):
    dump = move.dump(
        {"users": [{"username": f"u{n}", "unid": f"n{n}", "password": "never-seen"} for n in range(3)]}, form
    )
    file = next(path for path in dump.rglob("users.*") if "metadata" not in path.name)
    file.write_bytes(file.read_bytes()[:-3])

    with pytest.raises(CommandError, match=f"文件不完整：读到 {file.name} #3 为止"):
        move.command(dump, check=is_check)

    assert User.objects.filter(username__in=["u0", "u1", "u2"]).count() == (0 if is_check else 2)
    assert "never-seen" not in (move.folder / "problems.csv").read_text("utf-8-sig")


def test_what_is_no_dump_is_refused_in_a_sentence(move, tmp_path):
    dump = move.dump(documents_make(students=1, users=1, orders=0))
    (tmp_path / "full").mkdir()
    (tmp_path / "full/school.archive").write_bytes(b"\x6d\xe2\x99\x81" + b"x" * 100)

    def refused(match, folder, **options):
        with pytest.raises(CommandError, match=match):
            move.command(folder, **options)

    refused("里没有", tmp_path / "none")
    refused("不是文件夹", dump, pictures=tmp_path / "none")
    refused("无法建立", dump, report=tmp_path)
    refused("--archive", tmp_path / "full")
    Role.objects.all().delete()
    refused("prepare", dump)


# --- Two at once ---
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "twin"])
def test_two_at_once_bring_everything_once(move, monkeypatch, is_locked):
    """A second import begins while the first is about to write its logins."""
    write, results = run._write, []
    dump = move.dump({"logs": documents_make(students=0, users=5, orders=0)["logs"]})
    if not is_locked:
        monkeypatch.setattr("moving.management.commands.import_old.alone", nullcontext)

    def first(table, arriving, report):
        monkeypatch.setattr(run, "_write", write)
        second = partial(call_command, "import_old", str(dump), report=dump / "second", stdout=StringIO())
        results.extend(at_once([second], refusals=(CommandError,)))
        write(table, arriving, report)

    monkeypatch.setattr(run, "_write", first)
    move.command(dump)

    assert ["另一个导入正在运行" in str(result) for result in results] == [is_locked]
    # Without the lock the first reports what the second brought.
    assert len([reason for reason in move.reasons() if "数据库拒绝" in reason]) == (0 if is_locked else 5)
    assert LoginLog.objects.count() == 5  # even so nothing is there twice: an arrival is noted once
