"""Other languages' clients against a whole cluster; see `__main__`."""
