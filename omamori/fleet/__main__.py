"""`python -m omamori.fleet`: the `omamori fleet` commands alone, as the supervisor starts them."""

from omamori.fleet.cli import group

if __name__ == "__main__":
    group(prog_name="omamori fleet")
