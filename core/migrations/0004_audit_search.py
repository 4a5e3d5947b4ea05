from typing import Any

from django.contrib.postgres.indexes import OpClass
from django.db import migrations, models
from django.db.models.functions import Left

from core.db.indexes import AddIndexConcurrently


class AddIndexToEntries(AddIndexConcurrently):
    """Add the index to auditlog's table, not to its models: else Django would ask for a migration of auditlog's own."""

    def state_forwards(self, app_label: str, state: Any) -> None:
        pass

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        super().database_forwards('auditlog', schema_editor, from_state, to_state)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self._ensure_not_in_transaction(schema_editor)
        schema_editor.execute(f'DROP INDEX CONCURRENTLY IF EXISTS {self.index.name}')


class Migration(migrations.Migration):
    atomic = False  # recorded changes do not wait for the index

    dependencies = [
        ('core', '0003_export'),
        ('auditlog', '0017_add_actor_email'),
    ]

    operations = [
        AddIndexToEntries(
            model_name='logentry',
            # Only the beginning, because an index takes no text of more than 2,704 bytes.
            index=models.Index(OpClass(Left('object_repr', 64), name='text_pattern_ops'), name='audit_beginning'),
        ),
    ]
