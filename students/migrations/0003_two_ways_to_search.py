"""Empty. The keys for blocks of ids are no longer read (docs/adr/0012); 0020 ends them."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("students", "0002_transfers")]

    operations = []
