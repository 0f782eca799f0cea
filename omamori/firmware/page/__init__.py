"""Process 6 of the unit, there only while somebody looks: the page that the unit itself serves towards its LAN side.

systemd holds the socket and starts the process for the first visitor; it ends when nobody has come for a while. It reads what
the other processes say of themselves, holds no secret, has no right to change anything, and hands what a visitor wants to
change to `omamori.firmware.settings` as one small file. Decision 0019.
"""
