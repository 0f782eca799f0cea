"""How much each host used which applications and categories of sites, a row for each day."""
