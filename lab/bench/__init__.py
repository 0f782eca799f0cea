"""The data path against a plain bridge and Suricata inline, in one run: lines, contestants, workloads, goals, report."""
