"""Empty: what it did is in 0003, with all that is new in a notification."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0006_part_refunds'),
    ]

    operations = []
