from django.db import migrations

# The students a picture may belong to: of one picture [[key, description]], of a namesake's more of them. The release
# before this one reads them in `diff`, where nothing else minds them.
COPY_CANDIDATES = """
UPDATE students_transferrow SET
    cells = cells || jsonb_build_object('students', coalesce(
        diff -> 'candidates', jsonb_build_array(jsonb_build_array(student_pk, diff -> 'student'))
    ))
WHERE diff ?| array['candidates', 'student']
"""


class Migration(migrations.Migration):

    dependencies = [
        ('students', '0004_undo'),
    ]

    operations = [
        # Only the release before this one reads it. The column goes in the release after 1.1.0.
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.RemoveField(model_name='transferrun', name='finished_at')],
        ),
        migrations.RunSQL(COPY_CANDIDATES, migrations.RunSQL.noop),
    ]
