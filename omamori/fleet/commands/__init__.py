"""The commands of `omamori fleet`, by topic; `fleet/cli.py` has the table."""
