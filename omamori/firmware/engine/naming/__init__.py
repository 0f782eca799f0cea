"""Which application a flow belongs to, told from copies of its first packets. Never part of a verdict on a packet."""
