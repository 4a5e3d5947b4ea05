"""The table of students, and what counts and finds them: see docs/adr/0011."""

import django.contrib.postgres.indexes
import django.core.validators
import django.utils.timezone
from django.db import migrations, models

import students.models

KEYS = """
-- Every key a student is counted and found by. students/counts.py says what they are.
CREATE FUNCTION students_keys(id bigint, class_name text, name text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 1000 AS $$
DECLARE
    keys text[] := ARRAY[
        'c' || class_name,
        'b' || lpad((id >> 10)::text, 16, '0'),
        'w' || lpad((id >> 12)::text, 16, '0')
    ];
    gram text;
BEGIN
    FOR size IN 1..3 LOOP
        FOR at IN 1..length(name) - size + 1 LOOP
            gram := 'n' || substr(name, at, size);
            IF gram <> ALL (keys) THEN
                keys := keys || gram;
            END IF;
        END LOOP;
    END LOOP;
    RETURN keys;
END
$$;
"""

TALLY = """
-- How many students have a key: the sum of n over its rows. Rows are added and folded together, never changed,
-- so no two transactions ever wait for each other here.
CREATE TABLE students_tally (
    key text COLLATE "C" NOT NULL,
    n bigint NOT NULL,
    fresh boolean NOT NULL DEFAULT true
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02);
CREATE INDEX students_tally_key ON students_tally (key) INCLUDE (n);
CREATE INDEX students_tally_fresh ON students_tally (key) WHERE fresh;

CREATE FUNCTION students_tally_record() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    CASE TG_OP
    WHEN 'INSERT' THEN
        INSERT INTO students_tally (key, n)
        SELECT key, count(*)
        FROM new_rows, unnest('*'::text || students_keys(id, class_name, name)) AS key
        GROUP BY key;
    WHEN 'DELETE' THEN
        INSERT INTO students_tally (key, n)
        SELECT key, -count(*)
        FROM old_rows, unnest('*'::text || students_keys(id, class_name, name)) AS key
        GROUP BY key;
    WHEN 'UPDATE' THEN
        -- Most edits change nothing that is counted: EXCEPT ALL leaves only what did.
        INSERT INTO students_tally (key, n)
        SELECT key, sum(sign)
        FROM (
            SELECT 1 AS sign, added.* FROM (
                SELECT id, class_name, name FROM new_rows EXCEPT ALL SELECT id, class_name, name FROM old_rows
            ) AS added
            UNION ALL
            SELECT -1, removed.* FROM (
                SELECT id, class_name, name FROM old_rows EXCEPT ALL SELECT id, class_name, name FROM new_rows
            ) AS removed
        ) AS changed, unnest(students_keys(id, class_name, name)) AS key
        GROUP BY key
        HAVING sum(sign) <> 0;
    WHEN 'TRUNCATE' THEN
        BEGIN
            -- Like its cause, it does not ask what this transaction can see.
            TRUNCATE students_tally;
        EXCEPTION WHEN object_in_use THEN
            DELETE FROM students_tally;  -- the same TRUNCATE names it, or an open cursor reads it
        END;
    END CASE;
    RETURN NULL;
END
$$;

CREATE TRIGGER students_tally_insert AFTER INSERT ON students_student
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION students_tally_record();
CREATE TRIGGER students_tally_delete AFTER DELETE ON students_student
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION students_tally_record();
CREATE TRIGGER students_tally_update AFTER UPDATE ON students_student
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION students_tally_record();
CREATE TRIGGER students_tally_truncate AFTER TRUNCATE ON students_student
    FOR EACH STATEMENT EXECUTE FUNCTION students_tally_record();

-- Also for imports that set session_replication_role.
ALTER TABLE students_student ENABLE ALWAYS TRIGGER students_tally_insert;
ALTER TABLE students_student ENABLE ALWAYS TRIGGER students_tally_delete;
ALTER TABLE students_student ENABLE ALWAYS TRIGGER students_tally_update;
ALTER TABLE students_student ENABLE ALWAYS TRIGGER students_tally_truncate;
"""

DROP_TALLY = """
DROP TRIGGER students_tally_insert ON students_student;
DROP TRIGGER students_tally_delete ON students_student;
DROP TRIGGER students_tally_update ON students_student;
DROP TRIGGER students_tally_truncate ON students_student;
DROP FUNCTION students_tally_record();
DROP TABLE students_tally;
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.RunSQL(KEYS, "DROP FUNCTION students_keys"),
        migrations.CreateModel(
            name="Student",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "sid",
                    models.CharField(
                        default=students.models.new_sid, editable=False, max_length=12, verbose_name="学号"
                    ),
                ),
                ("name", models.CharField(max_length=64, verbose_name="姓名")),
                (
                    "age",
                    models.SmallIntegerField(
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(150),
                        ],
                        verbose_name="年龄",
                    ),
                ),
                ("class_name", models.CharField(max_length=64, verbose_name="班级")),
                ("city", models.CharField(max_length=64, verbose_name="城市")),
                ("degree", models.CharField(max_length=32, verbose_name="学历")),
                (
                    "product_url",
                    models.CharField(
                        max_length=500, validators=[students.models.no_script], verbose_name="项目地址"
                    ),
                ),
                ("description", models.TextField(max_length=2000, verbose_name="自我评价")),
                ("headimgurl", models.CharField(blank=True, max_length=500, verbose_name="头像")),
                (
                    "created_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="创建时间"
                    ),
                ),
            ],
            options={
                "verbose_name": "学员",
                "verbose_name_plural": "学员",
                "ordering": ["-pk"],
                "indexes": [
                    models.Index(fields=["class_name", "-id"], name="student_of_class"),
                    django.contrib.postgres.indexes.GinIndex(
                        models.Func(
                            models.F("id"), models.F("class_name"), models.F("name"), function="students_keys"
                        ),
                        fastupdate=False,
                        name="student_keys",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("sid",), name="student_sid_is_unique"),
                    models.CheckConstraint(
                        condition=models.Q(("age__range", (1, 150))), name="student_age_is_sensible"
                    ),
                    models.CheckConstraint(condition=models.Q(("id__gte", 1)), name="student_id_is_positive"),
                ],
            },
        ),
        migrations.RunSQL(TALLY, DROP_TALLY),
    ]
