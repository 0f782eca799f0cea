"""`python3 -m omamori.firmware.support.cell PROGRAM ...`: become that program, which looks: without a network, for it and all it starts.

A helper looks at the unit; the company's network behind it is not his. What he is spoken to by came in as a descriptor. The
process that watches over him is of the same user: nothing in here writes to its files, in its name, or stops it.
"""

import os
import sys
from typing import Final

from omamori.firmware.host import sandbox

WRITABLE: Final = ("/dev", "/tmp")  # noqa: S108 - the service's own; a terminal, and what a shell needs
"""Where a helper's programs write."""


def main() -> int:
    """Returns only where that failed."""
    try:
        sandbox.without_network()
        if not sandbox.without_writing(WRITABLE):
            print("cell: this kernel cannot keep a helper from the files of his own user", file=sys.stderr)
        os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606 - that is the point of it
    except (OSError, IndexError) as error:
        print(f"cell: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
