from django.conf import settings
from django.db import migrations, models


def name_the_merchant(apps, schema_editor):
    """All payments so far were made for the merchant of the settings: there was no other."""
    payments = apps.get_model("payments", "Payment").objects.filter(mch_id="")
    payments.update(appid=settings.WECHAT_APP_ID[:32], mch_id=settings.WECHAT_PAY_MCH_ID[:32])


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="payment",
            name="appid",
            field=models.CharField(blank=True, max_length=32, verbose_name="AppID"),
        ),
        migrations.AddField(
            model_name="payment",
            name="mch_id",
            field=models.CharField(blank=True, max_length=32, verbose_name="商户号"),
        ),
        migrations.RunPython(name_the_merchant, migrations.RunPython.noop, elidable=True),
    ]
