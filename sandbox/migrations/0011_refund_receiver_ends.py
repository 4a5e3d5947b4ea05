"""A refund goes back to its payer, to no other account."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("sandbox", "0010_phones")]

    operations = [migrations.RemoveField("refund", "receiver")]
