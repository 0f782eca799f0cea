"""The factory's test of a finished unit: ports, storage, lamp, button, claim, memory, processor, clock (decision 0024).

It asks the hardware itself and no process of ours, runs once and ends. Every line is `PASS`, `FAIL` or `SKIP` with what was found;
one part that is broken or missing never keeps the others from being tested. It changes nothing that stays.
"""
