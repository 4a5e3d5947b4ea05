from django.db import migrations


class Migration(migrations.Migration):
    """The table of attempts to log in stays until the next release, because 1.1.0 writes it."""

    dependencies = [("accounts", "0016_campus")]

    operations = [
        migrations.SeparateDatabaseAndState(state_operations=[migrations.DeleteModel(name="LoginAttempt")]),
    ]
