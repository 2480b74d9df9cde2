"""Domain prompt learning: a prompt for every domain, inferred from a batch of its images."""
