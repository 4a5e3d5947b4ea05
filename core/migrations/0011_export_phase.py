from django.db import migrations, models


class Migration(migrations.Migration):
    """The field is called as in all runs. The column keeps its name, so the database does nothing."""

    dependencies = [
        ('core', '0010_installation'),
    ]

    operations = [
        migrations.AlterField(
            model_name='export',
            name='begun_at',
            field=models.DateTimeField(db_column='begun_at', verbose_name='本次开始时间'),
        ),
        migrations.RenameField(model_name='export', old_name='begun_at', new_name='phase_at'),
    ]
