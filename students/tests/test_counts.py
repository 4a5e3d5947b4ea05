"""The totals are those of counting, whatever changes the students, in whatever way, at the same time."""

from functools import partial
from random import Random

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, transaction

from students.counts import counts_fold, counts_wrong, keys_fold, student_count
from students.models import Student
from students.selectors import student_page
from students.tests.factories import students
from tests.kit import at_once

COLUMNS = "sid, name, age, class_name, city, degree, product_url, description, headimgurl, created_at"
INSERT = f"INSERT INTO students_student ({COLUMNS})"
ROW = "'{}', '谭', 20, 'H3', 'x', 'x', 'x', 'x', '', now()"


def sql(statement, *params):
    with connection.cursor() as cursor:
        cursor.execute(statement, params or None)


def parts(key):
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM students_tally WHERE key = %s", [key])
        return cursor.fetchone()[0]


def copy(rows):
    connection.ensure_connection()
    statement = f"COPY students_student ({COLUMNS}) FROM STDIN"
    with connection.connection.cursor() as cursor, cursor.copy(statement) as out:
        for sid, name, class_name in rows:
            out.write_row((sid, name, 20, class_name, "x", "x", "x", "x", "", "2020-01-01 00:00+08"))


def upsert():
    for sid in (Student.objects.get(name="李雷").sid, "A1"):
        change = "ON CONFLICT (sid) DO UPDATE SET name = excluded.name, class_name = excluded.class_name"
        sql(f"{INSERT} VALUES ({ROW.format(sid)}) {change}")


def with_triggers_off():
    sql("SET LOCAL session_replication_role = replica")
    students("谭", class_name="H3")
    sql("SET LOCAL session_replication_role = origin")


def rolled_back():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        Student.objects.all().delete()
        students("谭", class_name="H3")
        counts_fold()
        raise ZeroDivisionError


SWAP = "UPDATE students_student SET class_name = CASE class_name WHEN 'H2' THEN 'H1' ELSE 'H2' END"
MERGE = """MERGE INTO students_student s USING (VALUES ('谭鹏'), ('王芳'), ('李雷')) AS v(name) ON s.name = v.name
WHEN MATCHED AND v.name = '王芳' THEN DELETE WHEN MATCHED THEN UPDATE SET class_name = 'H3'"""
SEVERAL = f"""WITH gone AS (DELETE FROM students_student WHERE class_name = 'H2' RETURNING 1),
moved AS (UPDATE students_student SET class_name = 'H3' WHERE name = '谭谭' RETURNING 1)
{INSERT} VALUES ({ROW.format("A1")})"""
# What is done to 谭鹏, 谭谭, 王芳 of H1 and 李雷 of H2; and how many there are then: all, of H1, of H2, of H3, with 谭.
STATEMENTS = {
    "nothing": (lambda: None, (4, 3, 1, 0, 2)),
    "insert select": (lambda: sql(f"{INSERT} SELECT {ROW.format('A1')}"), (5, 3, 1, 1, 3)),
    "copy": (lambda: copy([(f"A{n}", "谭", "H3") for n in range(2500)]), (2504, 3, 1, 2500, 2502)),
    "upsert": (upsert, (5, 3, 0, 2, 4)),
    "merge": (lambda: sql(MERGE), (3, 1, 0, 2, 2)),
    "update of all": (lambda: Student.objects.update(class_name="H3"), (4, 0, 0, 4, 2)),
    "update of ids": (lambda: sql("UPDATE students_student SET id = id + 5000"), (4, 3, 1, 0, 2)),
    "swap of classes": (lambda: sql(SWAP), (4, 1, 3, 0, 2)),
    "several in one": (lambda: sql(SEVERAL), (4, 2, 0, 2, 3)),
    "triggers off": (with_triggers_off, (5, 3, 1, 1, 3)),
    "truncate": (lambda: sql("TRUNCATE students_student"), (0, 0, 0, 0, 0)),
    "truncate both": (lambda: sql("TRUNCATE students_tally, students_student"), (0, 0, 0, 0, 0)),
    "rolled back": (rolled_back, (4, 3, 1, 0, 2)),
}


@pytest.fixture
def few(db):
    students("谭鹏", "谭谭", "王芳", class_name="H1")
    students("李雷", class_name="H2")


def now():
    assert counts_wrong() == []
    counts = [student_count(class_name) for class_name in ("", "H1", "H2", "H3")]
    assert counts[0] == Student.objects.count() == student_page(slice(0, 1)).total
    return *counts, student_page(slice(0, 1), key="谭").total


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(("change", "expected"), STATEMENTS.values(), ids=STATEMENTS)
def test_counts_are_exact_after_every_kind_of_statement(change, expected):
    change()

    assert now() == expected
    students("谭", class_name="H3")
    assert now()[0] == expected[0] + 1


@pytest.mark.usefixtures("few")
def test_folding_changes_no_count_and_an_update_of_nothing_counted_writes_nothing(monkeypatch):
    monkeypatch.setattr("students.counts.FOLD_BATCH", 2)
    for number in range(10):
        students("谭", class_name=f"H{number % 3}")
    Student.objects.filter(class_name="H2").delete()
    before = now()
    assert parts("*") > 1 and counts_fold() > 0
    assert (now(), parts("*"), parts("cH2"), counts_fold()) == (before, 1, 0, 0)

    Student.objects.update(city="南京", age=30)
    sql("UPDATE students_student SET class_name = class_name")

    assert (now(), counts_fold()) == (before, 0)


@pytest.mark.django_db
def test_recount_finds_and_mends_what_happened_with_the_triggers_off():
    students("谭鹏")
    call_command("students_recount", "--check")
    sql("ALTER TABLE students_student DISABLE TRIGGER ALL")
    students("王芳", class_name="H2")
    sql("ALTER TABLE students_student ENABLE TRIGGER USER")

    with pytest.raises(CommandError, match=r"totals are wrong"):
        call_command("students_recount", "--check")
    call_command("students_recount")

    assert counts_wrong() == [] and student_page(slice(0, 5), class_name="H2").total == 1


def everything_at_once(seed):
    """One writer among several: adds, imports, moves, renames, deletes, gives up, folds."""
    random = Random(seed)
    name = partial(random.choice, ["谭鹏", "王芳", "谭", "李an", "Anna"])
    class_name = partial(random.choice, ["H1", "H2", "H3"])

    @transaction.atomic
    def in_parts():
        students(name(), class_name=class_name())
        keys_fold(["*", "cH1"])
        Student.objects.filter(id=random.randrange(1, 300)).update(name=name())
        transaction.set_rollback(random.choice([True, False]))

    works = [
        in_parts,
        lambda: students(*(name() for _ in range(random.choice([1, 20]))), class_name=class_name()),
        lambda: copy([(f"S{seed}N{random.randrange(10**8)}", name(), class_name()) for _ in range(15)]),
        lambda: Student.objects.filter(class_name=class_name(), id__gt=random.randrange(300)).update(class_name="H1"),
        lambda: Student.objects.filter(id__range=(low := random.randrange(300), low + 5)).delete(),
        random.choice([counts_fold, partial(keys_fold, ["*", "cH1", "n谭"])]),
    ]
    for _ in range(40):
        try:
            random.choice(works)()
        except OperationalError as error:  # two may wait for each other's students: the loser's work is undone
            assert "deadlock" in str(error)


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    @pytest.fixture(autouse=True)
    def _people(self):
        sql("ALTER SEQUENCE students_student_id_seq RESTART")  # the writers choose among the first 300 numbers
        students(*["谭鹏", "王芳", "Anna"] * 50, class_name="H1")

    def test_totals_equal_the_rows_while_many_write(self):
        wrong = []

        def watch():
            # The page and its total are of one moment: all students fit on this page.
            for _ in range(60):
                page = student_page(slice(0, 100_000))
                if page.total != len(page.rows):
                    wrong.append(page.total - len(page.rows))

        at_once([watch, *(partial(everything_at_once, seed) for seed in range(6))])

        assert (wrong, counts_wrong()) == ([], [])
        assert student_page(slice(0, 1)).total == Student.objects.count() > 150
        counts_fold()
        assert counts_wrong() == [] and parts("*") == 1

    @pytest.mark.parametrize("trigger", ["insert", "update", "delete"])
    def test_without_a_trigger_the_totals_drift(self, trigger):
        """Its twin: with one trigger off the totals do drift, and it is seen."""
        sql(f"ALTER TABLE students_student DISABLE TRIGGER students_tally_{trigger}")
        try:
            everything_at_once(1)
            assert counts_wrong() != []
        finally:
            sql(f"ALTER TABLE students_student ENABLE ALWAYS TRIGGER students_tally_{trigger}")

    def test_folds_do_not_wait_for_an_open_transaction(self):
        with transaction.atomic():
            students("谭")
            keys_fold(["*"])  # holds the rows of "*" until the transaction ends
            at_once([lambda: keys_fold(["*"]), lambda: students("谭"), counts_fold])
        assert counts_wrong() == []

    def test_a_truncate_waits_for_folds_and_leaves_nothing(self):
        for _ in range(5):
            at_once([counts_fold, lambda: sql("TRUNCATE students_student"), counts_fold])
            assert counts_wrong() == [] and parts("*") == 0
            students("谭", "王")
