from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('units', '0003_reasons'),
    ]

    operations = [
        migrations.CreateModel(
            name='Revoked',
            fields=[
                ('serial', models.CharField(max_length=40, primary_key=True, serialize=False)),
                ('since', models.DateTimeField()),
            ],
        ),
    ]
