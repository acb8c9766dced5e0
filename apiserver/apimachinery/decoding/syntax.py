"""JSON's syntax in the words of Go's encoding/json: what is wrong with a text, and where.

Only texts that were refused come here, so it is written for exactness: a scanner byte by byte.
"""

from __future__ import annotations

_SPACE = frozenset(b" \t\r\n")
_DIGITS = frozenset(b"0123456789")
_HEX = frozenset(b"0123456789abcdefABCDEF")
_ESCAPED = frozenset(b'bfnrt\\/"')
_LITERALS = {ord("t"): b"true", ord("f"): b"false", ord("n"): b"null"}
MAX_DEPTH = 10_000


class SyntaxFault(ValueError):
    """What Go's scanner says about a text."""


END = "unexpected end of JSON input"


def quote_char(byte: int) -> str:
    """A byte as Go's scanner shows it."""
    if byte == ord("'"):
        return "'\\''"
    if byte == ord('"'):
        return "'\"'"
    char = chr(byte)
    if char == "\\":
        return "'\\\\'"
    if char.isprintable():
        return f"'{char}'"
    escapes = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r"}
    if byte in escapes:
        return f"'{escapes[byte]}'"
    return f"'\\x{byte:02x}'" if byte < 0x80 else f"'\\u{byte:04x}'"


def check(data: bytes) -> None:
    """Raise SyntaxFault where `data` is not one JSON value."""
    scanner = _Scanner(data)
    scanner.run()


class _Scanner:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def run(self) -> None:
        """Values and containers with a stack of our own: the text may be nested deeply."""
        stack: list[int] = []
        self._value(stack)
        while stack:
            if stack[-1] == ord("["):
                self._after_element(stack)
            else:
                self._after_member(stack)
        self._space()
        if self._at < len(self._data):
            raise self._fault("after top-level value")

    def _fault(self, context: str) -> SyntaxFault:
        if self._at >= len(self._data):
            return SyntaxFault(END)
        return SyntaxFault(f"invalid character {quote_char(self._data[self._at])} {context}")

    def _fault_within(self, context: str) -> SyntaxFault:
        """Inside a token, upstream's scanner reads a space at the end of the text."""
        return SyntaxFault(f"invalid character ' ' {context}") if self._peek() == -1 else self._fault(context)

    def _space(self) -> None:
        data, at = self._data, self._at
        while at < len(data) and data[at] in _SPACE:
            at += 1
        self._at = at

    def _peek(self) -> int:
        return self._data[self._at] if self._at < len(self._data) else -1

    def _value(self, stack: list[int]) -> None:
        """Read a scalar, or the opening of a container and its first value."""
        while True:
            self._space()
            byte = self._peek()
            if byte not in (ord("{"), ord("[")):
                return self._scalar(byte)
            if len(stack) >= MAX_DEPTH:
                raise self._fault("exceeded max depth")
            self._at += 1
            self._space()
            if self._peek() == (ord("}") if byte == ord("{") else ord("]")):
                self._at += 1
                return None
            stack.append(byte)
            if byte == ord("{"):
                self._key("looking for beginning of object key string")

    def _after_element(self, stack: list[int]) -> None:
        self._space()
        if self._peek() == ord("]"):
            self._at += 1
            stack.pop()
        elif self._peek() == ord(","):
            self._at += 1
            self._value(stack)
        else:
            raise self._fault("after array element")

    def _after_member(self, stack: list[int]) -> None:
        self._space()
        if self._peek() == ord("}"):
            self._at += 1
            stack.pop()
        elif self._peek() == ord(","):
            self._at += 1
            self._space()
            self._key("looking for beginning of object key string")
            self._value(stack)
        else:
            raise self._fault("after object key:value pair")

    def _key(self, context: str) -> None:
        if self._peek() != ord('"'):
            raise self._fault(context)
        self._string()
        self._space()
        if self._peek() != ord(":"):
            raise self._fault("after object key")
        self._at += 1

    def _scalar(self, byte: int) -> None:
        if byte == ord('"'):
            self._string()
        elif byte in _LITERALS:
            self._literal(_LITERALS[byte])
        elif byte == ord("-") or byte in _DIGITS:
            self._number(byte)
        else:
            raise self._fault("looking for beginning of value")

    def _literal(self, literal: bytes) -> None:
        for i, expected in enumerate(literal):
            if i and self._peek() != expected:
                raise self._fault_within(f"in literal {literal.decode()} (expecting '{chr(expected)}')")
            self._at += 1

    def _number(self, byte: int) -> None:
        if byte == ord("-"):
            self._at += 1
            if self._peek() not in _DIGITS:
                raise self._fault_within("in numeric literal")
        if self._peek() == ord("0"):
            self._at += 1
        else:
            self._digits("in numeric literal")
        if self._peek() == ord("."):
            self._at += 1
            self._digits("after decimal point in numeric literal")
        if self._peek() in (ord("e"), ord("E")):
            self._at += 1
            if self._peek() in (ord("+"), ord("-")):
                self._at += 1
            self._digits("in exponent of numeric literal")

    def _digits(self, context: str) -> None:
        if self._peek() not in _DIGITS:
            raise self._fault_within(context)
        while self._at < len(self._data) and self._data[self._at] in _DIGITS:
            self._at += 1

    def _string(self) -> None:
        data = self._data
        self._at += 1
        while self._at < len(data):
            byte = data[self._at]
            if byte == ord('"'):
                self._at += 1
                return
            if byte < 0x20:
                raise self._fault("in string literal")
            self._at += 1
            if byte == ord("\\"):
                self._escape()
        raise SyntaxFault(END)

    def _escape(self) -> None:
        byte = self._peek()
        if byte in _ESCAPED:
            self._at += 1
            return
        if byte != ord("u"):
            raise self._fault_within("in string escape code")
        self._at += 1
        for _ in range(4):
            if self._peek() not in _HEX:
                raise self._fault_within("in \\u hexadecimal character escape")
            self._at += 1
