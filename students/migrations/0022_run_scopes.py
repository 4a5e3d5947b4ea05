"""Note under which data scope each run was begun, as far as the person has the same one still."""

from django.conf import settings
from django.db import migrations

FILL = """
UPDATE students_transferrun AS run SET options = run.options || jsonb_build_object('scope', role.data_scope)
FROM accounts_user AS person JOIN permissions_role AS role ON role.id = person.role_id
WHERE run.created_by_id = person.id AND NOT run.options ? 'scope'
"""


class Migration(migrations.Migration):
    dependencies = [
        ("students", "0021_class_rights"),
        ("permissions", "0002_data_scope"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [migrations.RunSQL(FILL, migrations.RunSQL.noop, elidable=True)]
