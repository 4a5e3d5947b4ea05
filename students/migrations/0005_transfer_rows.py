from django.db import migrations

# The students a picture may belong to: of one picture [[key, description]], of a namesake's more of them.
MOVE_CANDIDATES = """
UPDATE students_transferrow SET
    cells = cells || jsonb_build_object('students', coalesce(
        diff -> 'candidates', jsonb_build_array(jsonb_build_array(student_pk, diff -> 'student'))
    )),
    diff = '{}'
WHERE diff ?| array['candidates', 'student']
"""


class Migration(migrations.Migration):

    dependencies = [
        ('students', '0004_undo'),
    ]

    operations = [
        # Nothing read it.
        migrations.RemoveField(model_name='transferrun', name='finished_at'),
        # `diff` holds differences alone; what a picture may belong to is among the cells.
        migrations.RunSQL(MOVE_CANDIDATES, migrations.RunSQL.noop),
    ]
