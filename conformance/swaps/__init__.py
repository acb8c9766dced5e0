"""Parts of the cluster swapped for the Go ones, and ours put beside the Go API server: `python -m conformance.swaps`."""
