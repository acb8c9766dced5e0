"""Tests of the autoscaler loop."""
