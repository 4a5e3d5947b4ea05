"""The totals are those of counting, whatever changes the students, in whatever way, at the same time."""

from functools import partial
from random import Random

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from students.counts import counts_fold, counts_of, counts_wrong, keys_fold
from students.models import Student
from students.selectors import class_list, student_page
from students.tests.factories import student, students
from tests.kit import at_once

COLUMNS = "sid, name, age, class_name, city, degree, product_url, description, headimgurl, created_at"
ROW = "%s, %s, 20, %s, 'x', 'x', 'x', 'x', '', now()"


def sql(statement: str, *params: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)


def parts(key: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM students_tally WHERE key = %s", [key])
        return cursor.fetchone()[0]


def copy(rows: list[tuple[str, str, str]]) -> None:
    connection.ensure_connection()
    statement = f"COPY students_student ({COLUMNS}) FROM STDIN"
    with connection.connection.cursor() as cursor, cursor.copy(statement) as out:
        for sid, name, class_name in rows:
            out.write_row((sid, name, 20, class_name, "x", "x", "x", "x", "", "2020-01-01 00:00+08"))


@pytest.mark.django_db
class TestEveryKindOfStatement:
    @pytest.fixture(autouse=True)
    def _people(self):
        sql("ALTER SEQUENCE students_student_id_seq RESTART")  # the writers choose among the first 300 numbers
        students("谭鹏", "谭谭", "王芳", class_name="H1")
        students("李雷", class_name="H2")

    def now(self) -> dict[str, int]:
        assert counts_wrong() == []
        counts = counts_of(["*", "cH1", "cH2", "cH3", "n谭"])
        assert counts["*"] == Student.objects.count() == student_page(slice(0, 1)).total
        return counts

    def test_before_any_statement_the_counts_are_exact(self):
        assert self.now() == {"*": 4, "cH1": 3, "cH2": 1, "cH3": 0, "n谭": 2}

    def test_insert_select(self):
        sql(f"INSERT INTO students_student ({COLUMNS}) SELECT {ROW} FROM generate_series(1, 1)", "A1", "谭", "H3")
        assert self.now() == {"*": 5, "cH1": 3, "cH2": 1, "cH3": 1, "n谭": 3}

    def test_copy(self):
        copy([(f"A{n}", "谭", "H3") for n in range(2500)])
        assert self.now() == {"*": 2504, "cH1": 3, "cH2": 1, "cH3": 2500, "n谭": 2502}

    def test_upsert_that_inserts_and_updates(self):
        sid = Student.objects.get(name="李雷").sid
        for taken in (sid, "A1"):
            sql(
                f"INSERT INTO students_student ({COLUMNS}) VALUES ({ROW}) "
                "ON CONFLICT (sid) DO UPDATE SET name = excluded.name, class_name = excluded.class_name",
                taken, "谭", "H3",
            )  # fmt: skip
        assert self.now() == {"*": 5, "cH1": 3, "cH2": 0, "cH3": 2, "n谭": 4}

    def test_merge(self):
        sql(
            "MERGE INTO students_student s USING (VALUES ('谭鹏'), ('王芳'), ('李雷')) AS v(name) ON s.name = v.name "
            "WHEN MATCHED AND v.name = '王芳' THEN DELETE WHEN MATCHED THEN UPDATE SET class_name = 'H3'"
        )
        assert self.now() == {"*": 3, "cH1": 1, "cH2": 0, "cH3": 2, "n谭": 2}

    def test_update_of_everybody(self):
        Student.objects.update(class_name="H3")
        assert self.now() == {"*": 4, "cH1": 0, "cH2": 0, "cH3": 4, "n谭": 2}
        assert class_list() == ["H3"]

    def test_update_that_changes_nothing_counted_writes_nothing(self):
        counts_fold()
        Student.objects.update(city="南京", age=30)
        sql("UPDATE students_student SET class_name = class_name")
        sql("UPDATE students_student SET class_name = CASE class_name WHEN 'H2' THEN 'H1' ELSE 'H2' END WHERE false")

        assert counts_fold() == 0
        assert self.now()["cH1"] == 3

    def test_update_of_ids_and_swap_of_classes(self):
        sql("UPDATE students_student SET id = id + 5000")
        sql("UPDATE students_student SET class_name = CASE class_name WHEN 'H2' THEN 'H1' ELSE 'H2' END")
        assert self.now() == {"*": 4, "cH1": 1, "cH2": 3, "cH3": 0, "n谭": 2}

    def test_several_changes_in_one_statement(self):
        sql(
            f"WITH gone AS (DELETE FROM students_student WHERE class_name = 'H2' RETURNING 1), "
            f"moved AS (UPDATE students_student SET class_name = 'H3' WHERE name = '谭谭' RETURNING 1) "
            f"INSERT INTO students_student ({COLUMNS}) VALUES ({ROW})",
            "A1", "谭", "H3",
        )  # fmt: skip
        assert self.now() == {"*": 4, "cH1": 2, "cH2": 0, "cH3": 2, "n谭": 3}

    def test_an_import_that_switches_ordinary_triggers_off(self):
        sql("SET LOCAL session_replication_role = replica")
        students("谭", class_name="H3")
        sql("SET LOCAL session_replication_role = origin")
        assert self.now()["cH3"] == 1

    def test_truncate(self):
        sql("TRUNCATE students_student")
        assert self.now() == {"*": 0, "cH1": 0, "cH2": 0, "cH3": 0, "n谭": 0}
        students("谭", class_name="H3")
        assert self.now()["*"] == 1

    def test_truncate_that_names_the_tally_too(self):
        sql("TRUNCATE students_tally, students_student")
        assert self.now()["*"] == 0

    def test_what_is_rolled_back_was_never_counted(self):
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            Student.objects.all().delete()
            students("谭", class_name="H3")
            counts_fold()
            raise ZeroDivisionError
        assert self.now() == {"*": 4, "cH1": 3, "cH2": 1, "cH3": 0, "n谭": 2}

    def test_folding_changes_no_count(self):
        for number in range(10):
            students("谭", class_name=f"H{number % 3}")
        Student.objects.filter(class_name="H2").delete()
        before = self.now()
        assert parts("*") > 1

        assert counts_fold() > 0

        assert self.now() == before
        assert (parts("*"), parts("cH2")) == (1, 0)
        assert counts_fold() == 0


@pytest.mark.django_db
@pytest.mark.parametrize(
    "read",
    [
        lambda: student_page(slice(0, 1)),
        lambda: student_page(slice(0, 1), class_name="H51901"),
        lambda: student_page(slice(0, 1), key="谭"),
    ],
    ids=["all", "class", "search"],
)
def test_reading_writes_nothing_however_long_the_sum(read):
    for _ in range(100):
        student().save()
    before = parts("*"), parts("cH51901"), parts("n谭")

    assert read().total == 100

    assert (parts("*"), parts("cH51901"), parts("n谭")) == before


@pytest.mark.django_db
def test_recount_finds_and_mends_what_happened_with_the_triggers_off(capsys):
    students("谭鹏")
    call_command("students_recount", "--check")
    sql("ALTER TABLE students_student DISABLE TRIGGER ALL")
    students("王芳", class_name="H2")
    sql("ALTER TABLE students_student ENABLE TRIGGER USER")

    with pytest.raises(CommandError, match=r"totals are wrong"):
        call_command("students_recount", "--check")
    call_command("students_recount")

    assert counts_wrong() == []
    assert student_page(slice(0, 5), class_name="H2").total == 1


def everything_at_once(seed: int) -> None:
    """One writer among several: adds, imports, moves, renames, deletes, rolls back, folds."""
    random = Random(seed)
    names, classes = ["谭鹏", "王芳", "谭", "李an", "Anna"], ["H1", "H2", "H3"]

    def add() -> None:
        students(random.choice(names), class_name=random.choice(classes))

    def bulk() -> None:
        students(*random.choices(names, k=20), class_name=random.choice(classes))

    def bring_in() -> None:
        copy([(f"S{seed}N{random.randrange(10**8)}", random.choice(names), random.choice(classes)) for _ in range(15)])

    def move() -> None:
        Student.objects.filter(class_name=random.choice(classes), id__gt=random.randrange(300)).update(
            class_name=random.choice(classes)
        )

    def rename() -> None:
        Student.objects.filter(id=random.randrange(1, 300)).update(name=random.choice(names))

    def remove() -> None:
        Student.objects.filter(id__range=(low := random.randrange(300), low + 5)).delete()

    def roll_back() -> None:
        try:
            with transaction.atomic():
                bulk()
                remove()
                keys_fold(["*", "cH1"])
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass

    def in_parts() -> None:
        with transaction.atomic():
            add()
            rename()
            add()

    def fold() -> None:
        random.choice([counts_fold, lambda: keys_fold(["*", "cH1", "n谭"])])()

    for _ in range(40):
        work = random.choice([add, bulk, bring_in, move, rename, remove, roll_back, in_parts, fold])
        try:
            work()
        except Exception as error:  # two of them may wait for each other's students: the loser's work is undone
            if "deadlock" not in str(error):
                raise


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    WRITERS = 6

    @pytest.fixture(autouse=True)
    def _people(self):
        sql("ALTER SEQUENCE students_student_id_seq RESTART")  # the writers choose among the first 300 numbers
        students(*["谭鹏", "王芳", "Anna"] * 50, class_name="H1")

    def test_totals_never_drift(self):
        wrong: list[int] = []

        def watch() -> None:
            # The page and its total are of one moment: all students fit on this page.
            for _ in range(60):
                page = student_page(slice(0, 100_000))
                if page.total != len(page.rows):
                    wrong.append(page.total - len(page.rows))

        at_once([watch, *(partial(everything_at_once, seed) for seed in range(self.WRITERS))])

        assert wrong == []
        assert counts_wrong() == []
        assert student_page(slice(0, 1)).total == Student.objects.count() > 150
        counts_fold()
        assert counts_wrong() == []
        assert parts("*") == 1

    @pytest.mark.parametrize("trigger", ["insert", "update", "delete"])
    def test_the_test_above_can_fail(self, trigger):
        """Its twin: with one trigger off the totals do drift, and it is seen."""
        sql(f"ALTER TABLE students_student DISABLE TRIGGER students_tally_{trigger}")
        try:
            everything_at_once(1)
            assert counts_wrong() != []
        finally:
            sql(f"ALTER TABLE students_student ENABLE ALWAYS TRIGGER students_tally_{trigger}")

    def test_a_fold_that_is_not_atomic_would_be_seen(self, monkeypatch):
        """Another twin: read the sum first and replace the rows afterwards, and what came between is lost."""

        def careless(wanted: list[str]) -> None:
            counts = counts_of(wanted)
            at_once([lambda: students("谭")])  # somebody adds a student between the two statements
            sql("DELETE FROM students_tally WHERE key = ANY(%s)", list(wanted))
            for key, n in counts.items():
                sql("INSERT INTO students_tally (key, n) VALUES (%s, %s)", key, n)

        careless(["*"])

        assert counts_wrong() == ["*"]

    def test_folds_do_not_wait_for_an_open_transaction(self):
        with transaction.atomic():
            students("谭")
            keys_fold(["*"])  # holds the rows of "*" until the transaction ends
            at_once([lambda: keys_fold(["*"]), lambda: students("谭"), lambda: counts_fold()])
        assert counts_wrong() == []

    def test_a_truncate_waits_for_folds_and_leaves_nothing(self):
        for _ in range(5):
            at_once([counts_fold, lambda: sql("TRUNCATE students_student"), counts_fold])
            assert counts_wrong() == []
            assert parts("*") == 0
            students("谭", "王")
