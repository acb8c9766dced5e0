"""Tests of the deployment loop."""
