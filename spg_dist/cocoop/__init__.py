"""CoCoOp: a soft prompt that a small network shifts for every image."""
