"""Students lose the keys for blocks of ids: lists and searches need classes and runs of names alone (docs/adr/0012)."""

import django.contrib.postgres.indexes
from django.db import migrations, models

KEYS = """
-- Every key a student is counted and found by, besides '*'. students/counts.py writes the same keys in Python.
CREATE FUNCTION students_keys(class_name text, name text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 1000 AS $$
DECLARE
    keys text[] := ARRAY['c' || class_name];
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

RECORD = """
CREATE OR REPLACE FUNCTION students_tally_record() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    CASE TG_OP
    WHEN 'INSERT' THEN
        INSERT INTO students_tally (key, n)
        SELECT key, count(*) FROM new_rows, unnest('*'::text || students_keys(class_name, name)) AS key GROUP BY key;
    WHEN 'DELETE' THEN
        INSERT INTO students_tally (key, n)
        SELECT key, -count(*) FROM old_rows, unnest('*'::text || students_keys(class_name, name)) AS key GROUP BY key;
    WHEN 'UPDATE' THEN
        -- Most edits change nothing that is counted: EXCEPT ALL leaves only what did.
        INSERT INTO students_tally (key, n)
        SELECT key, sum(sign)
        FROM (
            SELECT 1 AS sign, added.* FROM (
                SELECT class_name, name FROM new_rows EXCEPT ALL SELECT class_name, name FROM old_rows
            ) AS added
            UNION ALL
            SELECT -1, removed.* FROM (
                SELECT class_name, name FROM old_rows EXCEPT ALL SELECT class_name, name FROM new_rows
            ) AS removed
        ) AS changed, unnest(students_keys(class_name, name)) AS key
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
-- Blocks and stretches of ids. The function with three arguments stays for a release that still runs.
DELETE FROM students_tally WHERE (key >= 'b' AND key < 'c') OR (key >= 'w' AND key < 'x');
"""


class Migration(migrations.Migration):
    dependencies = [("students", "0002_transfers")]

    operations = [
        migrations.RunSQL(KEYS, "DROP FUNCTION students_keys(text, text)"),
        migrations.RunSQL(RECORD),
        migrations.RemoveIndex(model_name="student", name="student_keys"),
        migrations.AddIndex(
            model_name="student",
            index=django.contrib.postgres.indexes.GinIndex(
                models.Func(models.F("class_name"), models.F("name"), function="students_keys"),
                fastupdate=False,
                name="student_keys",
            ),
        ),
    ]
