"""Who may see and change what: the tenants, their people, their tokens, and the record of what they did."""
