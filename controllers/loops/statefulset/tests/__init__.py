"""Tests of the stateful set loop."""
