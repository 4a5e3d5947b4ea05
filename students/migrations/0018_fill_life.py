"""What is known of classes, accounts and lives. ``fill_new_columns`` runs this again after an upgrade."""

from django.conf import settings
from django.db import migrations

# A class all of whose students are in the archive has ended.
CLASSES = """
INSERT INTO students_schoolclass (name)
SELECT DISTINCT class_name FROM students_student ORDER BY 1 ON CONFLICT DO NOTHING;
INSERT INTO students_schoolclass (name, state)
SELECT DISTINCT class_name, 'ended' FROM students_archivedstudent ORDER BY 1 ON CONFLICT DO NOTHING
"""
ARCHIVED = """
INSERT INTO students_studentevent
    (student_pk, sid, class_name, kind, "on", is_leaving, is_return, detail, created_by_id)
SELECT id, sid, class_name, 'archived', (archived_at AT TIME ZONE 'Asia/Shanghai')::date, true, false, '', created_by_id
FROM students_archivedstudent AS student WHERE NOT EXISTS (
    SELECT FROM students_studentevent AS event WHERE event.student_pk = student.id AND event.kind = 'archived'
    AND event.on = (student.archived_at AT TIME ZONE 'Asia/Shanghai')::date
)
"""
# The accounts that were made from a class's students have the student's number as their name.
LINK = """
UPDATE {table} AS student SET account_id = pair.account_id FROM (
    SELECT DISTINCT ON (account.id) account.id AS account_id, candidate.id AS student_id
    FROM accounts_user AS account JOIN {table} AS candidate ON lower(candidate.sid) = account.username
    WHERE account.class_name <> '' AND candidate.account_id IS NULL
    AND NOT EXISTS (SELECT FROM students_student AS other WHERE other.account_id = account.id)
    ORDER BY account.id, candidate.id
) AS pair WHERE student.id = pair.student_id
"""


class Migration(migrations.Migration):
    dependencies = [
        ("students", "0017_life_indexes"),
        ("accounts", "0003_class_accounts"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunSQL(sql, migrations.RunSQL.noop)
        for sql in (
            CLASSES,
            ARCHIVED,
            LINK.format(table="students_student"),
            LINK.format(table="students_archivedstudent"),
        )
    ]
