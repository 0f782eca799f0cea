"""The operators' API: everything pages and commands can do, as JSON over HTTP with a bearer token."""
