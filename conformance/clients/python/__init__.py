"""Data: the Python driver. It runs in an environment of its own, which `conformance.clients` makes."""
