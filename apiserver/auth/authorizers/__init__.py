"""One file per way to decide who may do what; `auth/build.py` puts them in the order of --authorization-mode."""
