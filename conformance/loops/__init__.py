"""Our controllers and the Go ones at the same work on the real API server: what they leave behind is compared."""
