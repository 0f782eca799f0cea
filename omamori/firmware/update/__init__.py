"""Process 4, short-lived: fetch what the fleet wants, prove it, stage it in the other slot, try it, and say how it went.

What always holds: the running slot, its boot entry and the pack in force are never written; everything can be cut off
at any moment and run again; a failure is recorded with its reason and stops nothing but the update.
`machine.py` decides on values; `trust.py`, `fetch.py`, `slots.py`, `packs.py` and `gate.py` are the adapters.

    UpdateError
    ├── ClockWrong       the clock is before the newest time known to be past
    ├── Unreachable      the fleet's server cannot be reached, or answered with an error
    ├── Slow             the server sends less than the least rate
    ├── Endless          the server sends more than was announced
    ├── Expired          the metadata's validity is over
    ├── BadSignature     metadata not signed as the root of trust demands
    ├── Rollback         metadata older than what was seen before
    ├── BadHash          content that is not what was signed
    ├── Unpublished      what is wanted is not in the repository
    ├── DiskFull         no room
    ├── SlotProblem      the slots or the boot partition are not as they should be
    ├── PackRefused      the bridge did not take the pack
    ├── PackUnconfirmed  the bridge has not said yet whether it takes it
    ├── Busy             another run of the updater holds the lock
    └── Refused          lasting: this update is never tried again
        ├── BadBundle    a signed bundle whose content does not add up
        └── Unsuitable   for another product, variant, or an older version
"""
