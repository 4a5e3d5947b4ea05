"""Build an index in a migration while the system runs."""

from typing import Any

from django.contrib.postgres import operations


class AddIndexConcurrently(operations.AddIndexConcurrently):
    """Wait for running transactions as long as they take, and replace what an earlier attempt has left.

    Problem: PostgreSQL first waits for every transaction that runs, for example a backup. After our ``lock_timeout``
    it gives up and leaves an invalid index, with which each later attempt fails: "already exists".
    The plain way fails: a migration cannot set the limit for one statement, because ``SET LOCAL`` needs a transaction.
    Remove this when Django's operation does it.
    """

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.collect_sql:
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        self._ensure_not_in_transaction(schema_editor)
        with schema_editor.connection.cursor() as cursor:
            cursor.execute("SHOW lock_timeout")
            (usual,) = cursor.fetchone()
            cursor.execute("SET lock_timeout = 0")
            try:
                cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema_editor.quote_name(self.index.name)}")
                super().database_forwards(app_label, schema_editor, from_state, to_state)
            finally:
                cursor.execute("SELECT set_config('lock_timeout', %s, false)", [usual])
