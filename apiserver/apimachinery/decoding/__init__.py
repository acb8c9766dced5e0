"""How Go reads the API's types: JSON syntax, decoding into structs, what is written back.

`types` compiles the Go types of schema facts, `exact` emulates Go's decoder and encoder to the letter, `fast` does the same for
well-formed objects in a few microseconds, `syntax` and `times` hold the words of encoding/json and time. `decode.py`, one level
up, is what handlers call.
"""
