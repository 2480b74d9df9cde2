"""A folder for PYTHONPATH: Python imports its `sitecustomize` in every process of a local head."""
