"""Tests of the scheduler as a whole, and the world they are tested in."""
