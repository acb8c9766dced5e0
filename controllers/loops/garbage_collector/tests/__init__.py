"""Tests of the garbage collector."""
