"""The portal: server-rendered pages in Japanese and English for customers, resellers and operators.

Reads only through the rooms' `queries` (access-checked), changes only through their `operations`. Works without
JavaScript. `words` has every text that explains a code, `status` decides what a unit's owner must know first.
"""
