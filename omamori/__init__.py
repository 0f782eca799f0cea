"""Omamori: a bridge appliance that guards a small company's network, and the fleet server behind it."""
