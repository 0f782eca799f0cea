"""What the guards of the units saw, each stored once, with the host it was about."""
