"""Process 1, the data path: packets out of the kernel's queues, verdicts back, detections into the spool.

`supervisor` is the small parent that never touches a packet; it forks `worker`s, which load a signature pack and
inspect. Whatever dies or hangs, the kernel goes on forwarding: the queues fail open and every queue rule has bypass.
"""
