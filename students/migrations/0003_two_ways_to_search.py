"""Empty. The keys for blocks of ids are no longer read (docs/adr/0012), but release 1.0.0 reads them.

They go, with their index, in the release after 1.1.0: until then 1.0.0 is the way back from 1.1.0.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("students", "0002_transfers")]

    operations = []
