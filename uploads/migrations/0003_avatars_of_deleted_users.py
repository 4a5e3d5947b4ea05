"""Release the avatars of users who were deleted before deletion released them, and index the budget."""

from django.db import migrations, models

from core.db.indexes import AddIndexConcurrently

_RELEASE = """
DELETE FROM uploads_imageuse WHERE owner LIKE 'accounts.User:%'
  AND NOT EXISTS (SELECT 1 FROM accounts_user WHERE owner = 'accounts.User:' || accounts_user.id);
UPDATE uploads_upload SET idle_since = now() WHERE idle_since IS NULL
  AND NOT EXISTS (SELECT 1 FROM uploads_imageuse WHERE upload_id = uploads_upload.id);
"""


class Migration(migrations.Migration):
    atomic = False  # uploads do not wait for the index

    dependencies = [
        ("uploads", "0002_sender"),
        ("accounts", "0001_initial"),
    ]

    operations = [
        migrations.RunSQL(_RELEASE, migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name="upload",
            index=models.Index(
                condition=models.Q(("idle_since__isnull", False), models.Q(("sender", ""), _negated=True)),
                fields=["sender"], include=("size_bytes",), name="upload_budget",
            ),
        ),
    ]
