"""Process 5, beside the data path: which host used what, how much, told in hourly sums; never in the way of a packet.

`naming` is a child in a sandbox that looks at copies of each flow's first packets; `process` reads the kernel's counters,
sums up, and has the kernel block a flow whose application the customer does not want. When any of it dies, traffic and
the guards go on and only sums are missing.
"""
