"""What ends a command: one line that says what is wrong and what to do."""

from __future__ import annotations


class LauncherError(Exception):
    """Shown to the user as it is, without a stack."""
