"""Forget the kept filters and chosen columns of the list of orders; the tables stay.

Release 1.1.0 writes them, and must run on these tables. Their constraint goes: nothing deletes the rows of a deleted
user any more, and they would keep PostgreSQL from deleting the user. The release after 1.2.0 drops the tables.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

_USER = {
    "to": settings.AUTH_USER_MODEL,
    "on_delete": django.db.models.deletion.CASCADE,
    "related_name": "+",
    "verbose_name": "用户",
    "db_constraint": False,
}


class Migration(migrations.Migration):
    dependencies = [("shop", "0023_goods_run_scopes"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.AlterField("orderview", "user", models.ForeignKey(**_USER)),
        migrations.AlterField("ordercolumns", "user", models.OneToOneField(**_USER)),
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.DeleteModel("OrderView"), migrations.DeleteModel("OrderColumns")]
        ),
    ]
