"""What runs on the unit: four processes that never import each other, over a pure engine and thin Linux adapters."""
