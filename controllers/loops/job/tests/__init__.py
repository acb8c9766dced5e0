"""Tests of the job loop."""
