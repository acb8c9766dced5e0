"""Tests of the controllers as a whole, and the world they are tested in."""
