"""What must not happen, tried for as long as one likes: traffic through kills and swaps, and hostile bytes for every parser."""
