"""The inspection engine: packets -> flows -> protocol parsers -> guards -> verdicts.

Pure: no sockets, clocks or files. Time comes in with each packet; detections are taken out by the caller.
"""
