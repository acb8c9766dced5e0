"""One file per way to prove who you are; `auth/build.py` puts them in upstream's order."""
