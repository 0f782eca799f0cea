"""`python -m omamori`: the command line without its console script."""

from omamori.cli import main

if __name__ == "__main__":
    main()
