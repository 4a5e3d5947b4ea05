"""Forget the leases; the table stays.

Release 1.1.0 takes a lease before it compares bills, and must run on these tables. The release after 1.2.0 drops it.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("core", "0006_backup")]

    operations = [
        migrations.SeparateDatabaseAndState(state_operations=[migrations.DeleteModel(name="Lease")]),
    ]
