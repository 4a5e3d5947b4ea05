from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0024_views_and_columns_end")]

    operations = [
        migrations.AddField(
            model_name="order",
            name="no_parcel",
            field=models.CharField(
                blank=True,
                choices=[("by_hand", "自取、面交（没有快递）"), ("later", "单号以后补")],
                db_default="",
                default="",
                max_length=10,
                verbose_name="没有单号",
            ),
        ),
    ]
