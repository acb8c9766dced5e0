"""Tokens of service accounts that live in Secrets: filled in, removed with their account, and when nobody uses them."""

from __future__ import annotations

from controllers.loops.serviceaccount_token.cleaner import build as build_cleaner
from controllers.loops.serviceaccount_token.controller import build

__all__ = ["build", "build_cleaner"]
