"""A small shell's grammar: enough of POSIX sh for the commands that pods are usually given.

`parse` gives a tree; ShellError for what is beyond it (functions, case, here-documents): the caller then knows nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

_OPERATORS = ("&&", "||", ";;", ">>", "2>&1", "2>", "1>", "&>", ";", "|", "&", ">", "<", "(", ")", "\n")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_ENDS = frozenset({"then", "do", "done", "fi", "else", "elif", "}"})
MAX_SCRIPT = 20_000


class ShellError(Exception):
    """Not a script this shell understands."""


class Token(NamedTuple):
    text: str
    is_operator: bool


@dataclass
class Simple:
    """`words` as written, quotes and expansions still in them."""

    words: list[str] = field(default_factory=list)
    assignments: list[str] = field(default_factory=list)
    redirects: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Pipe:
    parts: list[Node]
    negated: bool = False


@dataclass
class AndOr:
    """`steps`: (what joins it to the one before, command)."""

    steps: list[tuple[str, Node]]
    background: bool = False


@dataclass
class Block:
    commands: list[AndOr]


@dataclass
class If:
    branches: list[tuple[Block, Block]]
    otherwise: Block | None


@dataclass
class Loop:
    condition: Block
    body: Block
    until: bool


@dataclass
class For:
    name: str
    words: list[str]
    body: Block


Node = Simple | Pipe | AndOr | Block | If | Loop | For


def tokens_of(script: str) -> list[Token]:
    found: list[Token] = []
    i, n = 0, len(script)
    while i < n:
        char = script[i]
        if char in " \t\r":
            i += 1
        elif script.startswith("\\\n", i):
            i += 2
        elif char == "#":
            while i < n and script[i] != "\n":
                i += 1
        elif script.startswith("<<", i):
            raise ShellError("here-documents are not understood")
        elif operator := next((each for each in _OPERATORS if script.startswith(each, i)), ""):
            found.append(Token(operator, True))
            i += len(operator)
        else:
            end = _word_end(script, i)
            found.append(Token(script[i:end], False))
            i = end
    return found


def _word_end(script: str, i: int) -> int:
    n = len(script)
    while i < n and script[i] not in " \t\r\n;&|<>()":
        i = _skip(script, i)
    return i


def _skip(script: str, i: int) -> int:
    """The place after one character, quoted string or expansion."""
    char = script[i]
    if char == "\\":
        return min(i + 2, len(script))
    if char == "'":
        return _closing(script, script.find("'", i + 1))
    if char == "`":
        return _closing(script, script.find("`", i + 1))
    if char == '"':
        i += 1
        while i < len(script) and script[i] != '"':
            i = _skip(script, i) if script[i] in "\\$`" else i + 1
        return _closing(script, i if i < len(script) else -1)
    if script.startswith("$(", i):
        return _matching(script, i + 1, "(", ")")
    if script.startswith("${", i):
        return _matching(script, i + 1, "{", "}")
    return i + 1


def _closing(script: str, at: int) -> int:
    if at < 0:
        raise ShellError("unterminated quoted string")
    return at + 1


def _matching(script: str, i: int, opening: str, closing: str) -> int:
    depth = 0
    while i < len(script):
        char = script[i]
        if char == opening:
            depth += 1
        elif char == closing:
            depth -= 1
            if not depth:
                return i + 1
        i = _skip(script, i) if char in "'\"\\`" else i + 1
    raise ShellError(f"missing {closing}")


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def _peek(self) -> Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _next_is(self, *texts: str) -> bool:
        token = self._peek()
        return token is not None and token.text in texts

    def _take(self, text: str) -> None:
        if not self._next_is(text):
            raise ShellError(f"expected {text}")
        self._at += 1

    def _newlines(self) -> None:
        while self._next_is("\n", ";"):
            self._at += 1

    def block(self, *ends: str) -> Block:
        commands: list[AndOr] = []
        self._newlines()
        while (token := self._peek()) is not None and token.text not in ends:
            if token.text in _ENDS:
                raise ShellError(f"unexpected {token.text}")
            commands.append(self._and_or())
            self._newlines()
        if ends and self._peek() is None:
            raise ShellError(f"expected {ends[0]}")
        return Block(commands)

    def _and_or(self) -> AndOr:
        found = AndOr([("", self._pipe())])
        while self._next_is("&&", "||"):
            joint = self._tokens[self._at].text
            self._at += 1
            while self._next_is("\n"):
                self._at += 1
            found.steps.append((joint, self._pipe()))
        if self._next_is("&"):
            self._at += 1
            found.background = True
        return found

    def _pipe(self) -> Node:
        negated = self._next_is("!")
        if negated:
            self._at += 1
        parts = [self._command()]
        while self._next_is("|"):
            self._at += 1
            parts.append(self._command())
        return parts[0] if len(parts) == 1 and not negated else Pipe(parts, negated)

    def _command(self) -> Node:
        token = self._peek()
        if token is None:
            raise ShellError("unexpected end")
        compound = {"if": self._if, "while": self._loop, "until": self._loop, "for": self._for, "{": self._group}
        if not token.is_operator and token.text in compound:
            node = compound[token.text]()
        elif token.text == "(":
            self._at += 1
            node = self.block(")")
            self._take(")")
        elif token.text in ("case", "function"):
            raise ShellError(f"{token.text} is not understood")
        else:
            return self._simple()
        self._redirects(Simple())  # of a compound command: read and forgotten
        return node

    def _if(self) -> Node:
        branches: list[tuple[Block, Block]] = []
        self._at += 1
        while True:
            condition = self.block("then")
            self._take("then")
            branches.append((condition, self.block("elif", "else", "fi")))
            if not self._next_is("elif"):
                break
            self._at += 1
        otherwise = None
        if self._next_is("else"):
            self._at += 1
            otherwise = self.block("fi")
        self._take("fi")
        return If(branches, otherwise)

    def _loop(self) -> Node:
        until = self._next_is("until")
        self._at += 1
        condition = self.block("do")
        self._take("do")
        body = self.block("done")
        self._take("done")
        return Loop(condition, body, until)

    def _for(self) -> Node:
        self._at += 1
        name = self._tokens[self._at].text if self._peek() else ""
        self._at += 1
        self._take("in")
        words = []
        while (token := self._peek()) is not None and not token.is_operator:
            words.append(token.text)
            self._at += 1
        self._newlines()
        self._take("do")
        body = self.block("done")
        self._take("done")
        return For(name, words, body)

    def _group(self) -> Node:
        self._at += 1
        body = self.block("}")
        self._take("}")
        return body

    def _redirects(self, command: Simple) -> None:
        while (token := self._peek()) is not None and token.text in (">", ">>", "<", "2>", "1>", "&>", "2>&1"):
            self._at += 1
            if token.text == "2>&1":
                continue
            target = self._peek()
            if target is None or target.is_operator:
                raise ShellError("expected a file name")
            command.redirects.append((token.text, target.text))
            self._at += 1

    def _simple(self) -> Simple:
        command = Simple()
        while True:
            self._redirects(command)
            token = self._peek()
            if token is None or token.is_operator:
                break
            self._at += 1
            if not command.words and _ASSIGNMENT.match(token.text):
                command.assignments.append(token.text)
            else:
                command.words.append(token.text)
        if not command.words and not command.assignments and not command.redirects:
            raise ShellError("expected a command")
        if self._next_is("("):
            raise ShellError("functions are not understood")
        return command


def parse(script: str) -> Block:
    """Raises ShellError."""
    if len(script) > MAX_SCRIPT:
        raise ShellError("the script is too long")
    return _Parser(tokens_of(script)).block()
