from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('students', '0024_left_rows'),
    ]

    operations = [
        migrations.AlterField(
            model_name='transferfile',
            name='role',
            field=models.CharField(choices=[('source', '上传的文件'), ('withheld', '上传的文件，1.1.0 找不到')], max_length=8, verbose_name='用途'),
        ),
    ]
