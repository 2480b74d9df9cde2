"""What stands in the results table. A method is two functions; its file says how it learns and how it predicts."""
