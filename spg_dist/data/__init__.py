"""Images of one data set: where they lie, their classes, domains and splits."""
