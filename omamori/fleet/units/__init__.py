"""Units: registered by the factory, activated once, present or not, as they report themselves, and what is wanted of them."""
