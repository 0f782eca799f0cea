"""Which hosts are behind the units, at which addresses and when, and how the units are wired."""
