"""Tests of single loops."""
