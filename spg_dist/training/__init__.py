"""Training without a method in it: the loop, schedules, seeds, files. Settings can be read without importing torch."""
