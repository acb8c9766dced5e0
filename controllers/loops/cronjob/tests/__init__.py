"""Tests of the cron job loop."""
