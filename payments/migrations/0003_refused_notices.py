from django.db import migrations, models

# What the journal keeps since then of a notification that nothing proves to be the provider's. Its kind was written
# down only once its signature was found right.
CUT = """
UPDATE payments_inboundevent SET
    is_genuine = verdict <> 'refused' OR kind <> '',
    body_sha256 = CASE WHEN octet_length(body) = body_size THEN encode(sha256(body), 'hex') ELSE '' END;
UPDATE payments_inboundevent SET
    body = substring(body FROM 1 FOR 1024),
    headers = coalesce(
        (
            SELECT jsonb_object_agg(key, left(value, CASE key WHEN 'Wechatpay-Signature' THEN 700 ELSE 128 END))
            FROM jsonb_each_text(headers)
            WHERE key LIKE 'Wechatpay-%' OR key IN ('Content-Type', 'User-Agent', 'X-Request-Id')
        ),
        '{}'
    )
WHERE NOT is_genuine;
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0002_merchant")]

    operations = [
        migrations.AddField(
            model_name="inboundevent",
            name="body_sha256",
            field=models.CharField(blank=True, db_default="", max_length=64, verbose_name="报文SHA-256"),
        ),
        migrations.AddField(
            model_name="inboundevent",
            name="is_genuine",
            field=models.BooleanField(db_default=False, verbose_name="确认来自微信"),
        ),
        migrations.RunSQL(CUT, migrations.RunSQL.noop, elidable=True),
    ]
