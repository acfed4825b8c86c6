"""A pool in virtual time: the worker's own code on services that keep to AWS's limits."""
