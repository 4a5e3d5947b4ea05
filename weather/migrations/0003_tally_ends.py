"""Drop the tally of days, which only release 1.0.0 read: 1.1.0 writes records and does not name it."""

from importlib import import_module

from django.db import migrations

_first = import_module("weather.migrations.0001_initial")


class Migration(migrations.Migration):
    dependencies = [("weather", "0002_labels")]

    operations = [migrations.RunSQL(_first.DROP_TALLY, _first.TALLY)]
