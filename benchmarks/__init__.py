"""Measurements of docs/performance.md: `tox -e bench`."""
