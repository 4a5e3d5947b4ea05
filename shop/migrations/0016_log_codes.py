from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('shop', '0015_log_actors'),
    ]

    operations = [
        migrations.AddField(
            model_name='orderlog',
            name='code',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=20, verbose_name='事件代码'),
        ),
    ]
