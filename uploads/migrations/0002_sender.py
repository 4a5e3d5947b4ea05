from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('uploads', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='upload',
            name='sender',
            field=models.CharField(blank=True, db_default='', default='', editable=False, max_length=40),
        ),
    ]
