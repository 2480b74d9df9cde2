"""What a job does, step by step: prepare, encode, train, test, report; in this process or wherever an executor says."""
