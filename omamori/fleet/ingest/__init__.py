"""From the link into the database: batches of upward messages, presence, and the hints that are due."""
