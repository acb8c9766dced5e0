"""The official conformance suite against pocketkube: `python -m conformance.official`."""
