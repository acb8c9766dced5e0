"""Tests of the daemon set loop."""
