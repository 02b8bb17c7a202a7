"""Parts that byrote lacks, one a file; byrote finds them by the entry points in `pyproject.toml`."""
