"""`python3 -m omamori.firmware.support.cell PROGRAM ...`: become that program, without a network, for it and all it starts.

A helper looks at the unit; the company's network behind it is not his. What he is spoken to by came in as a descriptor.
"""

import os
import sys

from omamori.firmware.host import sandbox


def main() -> int:
    """Returns only where that failed."""
    try:
        sandbox.without_network()
        os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606 - that is the point of it
    except (OSError, IndexError) as error:
        print(f"cell: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
