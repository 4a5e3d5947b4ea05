from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # changes of students do not wait for the index

    dependencies = [
        ("students", "0008_rights"),
    ]

    operations = [
        # GB 18030 has the 3,755 usual characters in the order of their pinyin, the rare ones after them. PostgreSQL calls
        # convert_to only stable, because a conversion could be replaced; its own never changes what a byte means.
        migrations.RunSQL(
            """
            CREATE OR REPLACE FUNCTION students_name_key(name text) RETURNS bytea
            LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$ SELECT pg_catalog.convert_to(name, 'GB18030') $$
            """,
            "DROP FUNCTION students_name_key(text)",
        ),
        AddIndexConcurrently(
            model_name="student",
            index=models.Index(
                models.Func(models.F("name"), function="students_name_key"),
                models.OrderBy(models.F("id"), descending=True),
                name="student_of_name",
            ),
        ),
    ]
