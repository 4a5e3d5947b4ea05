"""Count and find students no longer by blocks of ids, which only release 1.0.0 read.

The index keeps such keys of old rows until it is built anew: nothing looks for them. Writers wait for a moment, because
one that had begun with the old function would count blocks again.
"""

from django.db import migrations

KEYS = """
CREATE OR REPLACE FUNCTION students_keys(id bigint, class_name text, name text) RETURNS text[]
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


class Migration(migrations.Migration):
    dependencies = [("students", "0019_class_runs")]

    operations = [
        migrations.RunSQL("LOCK TABLE students_student IN SHARE ROW EXCLUSIVE MODE", migrations.RunSQL.noop),
        migrations.RunSQL(KEYS, migrations.RunSQL.noop),
        migrations.RunSQL("DELETE FROM students_tally WHERE key ~ '^[bw][0-9]{16}$'", migrations.RunSQL.noop),
    ]
