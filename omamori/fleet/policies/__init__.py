"""What the guards of chosen units do otherwise than by default: exceptions with an end, blocked categories, changed responses."""
