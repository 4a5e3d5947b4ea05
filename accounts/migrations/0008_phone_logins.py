"""Say which phone numbers are logins. Until now every number in a record was one, at the latest when it was used.

A number stays or becomes a login where no other user has it, except root's, which never logs in, and one that its user
set with a token alone, as far as the audit trail knows. Those users prove the number, or root sets it anew.
"""

from django.db import migrations, models

_UNBIND_ROOT = """
UPDATE accounts_user u SET is_phone_bound = false FROM permissions_role r
WHERE u.role_id = r.id AND r.roleid = '1' AND u.is_phone_bound
"""
_BIND = """
UPDATE accounts_user u SET is_phone_bound = true
FROM permissions_role r
WHERE u.role_id = r.id AND r.roleid <> '1' AND NOT u.is_phone_bound AND u.phone ~ '^1[0-9]{10}$'
  AND NOT EXISTS (SELECT 1 FROM accounts_user o WHERE o.phone = u.phone AND o.id <> u.id)
  AND NOT EXISTS (
    SELECT 1 FROM auditlog_logentry e JOIN django_content_type t ON t.id = e.content_type_id
    WHERE t.app_label = 'accounts' AND t.model = 'user' AND e.object_id = u.id AND e.actor_id = u.id
      AND e.changes ? 'phone'
  )
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0007_last_login"),
        ("auditlog", "0015_alter_logentry_changes"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.AlterField(
            model_name="user",
            name="is_phone_bound",
            field=models.BooleanField(db_default=False, default=False, editable=False, verbose_name="可用短信登录"),
        ),
        migrations.RunSQL([_UNBIND_ROOT, _BIND], migrations.RunSQL.noop),
    ]
