"""The sync needs no claim, no count of failures and no time of its next try: the time of the last attempt says all.

The columns go one release later, because 1.1.0 reads and writes them.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("weather", "0003_tally_ends")]

    operations = [
        migrations.AlterField("weatheraccount", "failures", models.PositiveIntegerField("连续失败次数", db_default=0)),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveField("weatheraccount", name)
                for name in ("claimed_until", "failures", "next_try_at")
            ],
        ),
    ]
