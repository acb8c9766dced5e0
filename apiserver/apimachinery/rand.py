"""Chance as the program sees it: one injected Random, and the names and ids made from it."""

from __future__ import annotations

import os
import random

# upstream k8s.io/apimachinery/pkg/util/rand: no vowels and no look-alikes
NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


class Random(random.Random):
    """A seeded or (without a seed) system-fed source of randomness."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(int.from_bytes(os.urandom(16), "big") if seed is None else seed)

    def suffix(self, length: int = 5) -> str:
        """A name suffix in upstream's alphabet."""
        return "".join(self.choices(NAME_ALPHABET, k=length))

    def uuid(self) -> str:
        """A version-4 UUID in its usual form."""
        value = (self.getrandbits(128) & ~(0xF << 76) & ~(0x3 << 62)) | (4 << 76) | (2 << 62)
        text = f"{value:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
