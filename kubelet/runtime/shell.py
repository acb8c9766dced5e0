"""A small shell for simulated containers: it runs a script as a generator of waits.

Builtins and everyday commands have their effect on exit codes, output and files; a command it does not know counts as one
that succeeds at once and prints nothing. Steps without a wait are counted, so that no script can hold the loop.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from apiserver.apimachinery.rand import Random
from kubelet.runtime.behaviour import NEVER
from kubelet.runtime.files import Files
from kubelet.runtime.shell_commands import COMMANDS, ShellBreak, ShellContinue, ShellExit, arithmetic
from kubelet.runtime.shell_syntax import AndOr, Block, For, If, Loop, Node, Pipe, ShellError, Simple, parse

MAX_STEPS = 2000  # between two waits; a script that does more is taken to go on for ever
MAX_OUTPUT = 64 * 1024
DEVICES = frozenset(
    {"/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty", "/dev/zero", "/proc/1/fd/1", "/proc/1/fd/2"}
)
PREFIXES = frozenset({"exec", "command", "time", "nohup", "env", "sudo", "timeout", "nice"})
Run = Generator[float, None, int]

_EXPANSION = re.compile(r"\$(?:\{(\w+)(?:(:?[-=?+])([^}]*))?\}|(\w+)|([?$@#*]))")
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass
class Shell:
    """One run. `output` is what was printed, stdout and stderr together."""

    env: dict[str, str]
    files: Files
    rand: Random
    output: str = ""
    stdin: str = ""
    uid: int = 0
    status: int = 0
    exit_on_error: bool = False
    _steps: int = 0
    _background: list[AndOr] = field(default_factory=list)

    def run(self, script: str) -> Run:
        """Raises ShellError (before the first wait) for a script that is not understood."""
        block = parse(script)
        try:
            code = yield from self._block(block)
        except ShellExit as end:
            code = end.code
        except (ShellBreak, ShellContinue):
            code = 0
        return code & 0xFF

    def command(self, words: list[str]) -> Run:
        """One command with its arguments as they are."""
        try:
            code = yield from self._execute(words)
        except ShellExit as end:
            code = end.code
        return code & 0xFF

    def _count(self) -> bool:
        self._steps += 1
        return self._steps > MAX_STEPS

    def _block(self, block: Block) -> Run:
        code = 0
        for command in block.commands:
            if self._count():
                yield NEVER
            if command.background:
                self._background.append(AndOr(command.steps))
                code = 0
                continue
            code = yield from self._node(command)
        return code

    def _node(self, node: Node) -> Run:
        if isinstance(node, Simple):
            return (yield from self._simple(node))
        if isinstance(node, AndOr):
            return (yield from self._and_or(node))
        if isinstance(node, Block):
            return (yield from self._block(node))
        if isinstance(node, Pipe):
            return (yield from self._pipe(node))
        if isinstance(node, If):
            return (yield from self._if(node))
        if isinstance(node, Loop):
            return (yield from self._loop(node))
        return (yield from self._for(node))

    def _and_or(self, node: AndOr) -> Run:
        code = 0
        for joint, command in node.steps:
            if (joint == "&&" and code) or (joint == "||" and not code):
                continue
            code = yield from self._node(command)
            self.status = code
        if code and self.exit_on_error and len(node.steps) == 1:
            raise ShellExit(code)
        return code

    def _pipe(self, node: Pipe) -> Run:
        """Each part reads what the one before printed; only the last one's output is seen."""
        code, before = 0, self.output
        for i, part in enumerate(node.parts):
            self.stdin, self.output = self.output if i else "", ""
            code = yield from self._node(part)
        self.stdin, self.output = "", before + self.output
        return int(not code) if node.negated else code

    def _if(self, node: If) -> Run:
        for condition, body in node.branches:
            if not (yield from self._quietly(condition)):
                return (yield from self._block(body))
        return (yield from self._block(node.otherwise)) if node.otherwise is not None else 0

    def _quietly(self, condition: Block) -> Run:
        """A condition may fail without ending the script."""
        before, self.exit_on_error = self.exit_on_error, False
        try:
            return (yield from self._block(condition))
        finally:
            self.exit_on_error = before

    def _loop(self, node: Loop) -> Run:
        if not node.until and _is_idle(node):
            yield NEVER
        code = 0
        while True:
            met = (yield from self._quietly(node.condition)) == 0
            if met == node.until:
                return code
            if self._count():
                yield NEVER
            try:
                code = yield from self._block(node.body)
            except ShellBreak:
                return 0
            except ShellContinue:
                continue

    def _for(self, node: For) -> Run:
        code = 0
        for word in [word for written in node.words for word in self._words(written)]:
            self.env[node.name] = word
            try:
                code = yield from self._block(node.body)
            except ShellBreak:
                break
            except ShellContinue:
                continue
        return code

    def _simple(self, node: Simple) -> Run:
        for assignment in node.assignments:
            name, _, value = assignment.partition("=")
            self.env[name] = self._text(value)
        words = [word for written in node.words for word in self._words(written)]
        before, self.output = self.output, ""
        code = yield from self._execute(words) if words else self._nothing()
        printed, self.output = self.output, before
        for operator, target in node.redirects:
            path = self._text(target)
            if operator in (">", ">>", "1>", "&>"):
                if path not in DEVICES:
                    self.files.write(path, printed, append=operator == ">>")
                printed = printed if path in ("/dev/stdout", "/dev/stderr") else ""
        self.output = (self.output + printed)[-MAX_OUTPUT:]
        self.status = code
        return code

    def _nothing(self) -> Run:
        return 0
        yield

    def _execute(self, words: list[str]) -> Run:
        name, arguments = words[0].rsplit("/", 1)[-1], words[1:]
        if name == "sleep":
            yield _duration(arguments)
            self._steps = 0
            return 0
        if name in ("sh", "bash", "ash", "dash"):
            return (yield from self._nested(arguments))
        if name in PREFIXES and arguments:
            rest = (
                arguments[1:] if name == "timeout" else [word for word in arguments if name != "env" or "=" not in word]
            )
            code = yield from self._execute(rest) if rest else self._nothing()
            if name == "exec" and rest:
                raise ShellExit(code)
            return code
        if name == "wait":
            code = 0
            for command in self._background:
                code = yield from self._and_or(command)
            self._background.clear()
            return code
        if name == "tail" and any(word.startswith("-f") or word == "-F" for word in arguments):
            yield NEVER
        builtin = COMMANDS.get(name)
        return builtin(self, arguments) if builtin is not None else 0

    def _nested(self, arguments: list[str]) -> Run:
        script = script_of(arguments)
        if script is None:
            return 0
        inner = Shell(self.env, self.files, self.rand, stdin=self.stdin, uid=self.uid)
        code = yield from inner.run(script)
        self.say(inner.output)
        return code

    def say(self, text: str) -> None:
        self.output += text

    def _words(self, written: str) -> list[str]:
        """A word after expansion; one without quotes falls apart at spaces."""
        text = self._text(written)
        if any(quote in written for quote in "'\"") or ("$" not in written and "`" not in written):
            return [text]
        return text.split()

    def _text(self, written: str) -> str:
        pieces: list[str] = []
        i = 0
        while i < len(written):
            char = written[i]
            if char == "'":
                end = written.index("'", i + 1)
                pieces.append(written[i + 1 : end])
                i = end + 1
            elif char == '"':
                end = _quoted_end(written, i)
                pieces.append(self._expand(written[i + 1 : end]))
                i = end + 1
            else:
                end = i
                while end < len(written) and written[end] not in "'\"":
                    end += 2 if written[end] == "\\" else _expansion_length(written, end)
                pieces.append(self._expand(written[i:end]))
                i = end
        return "".join(pieces)

    def _expand(self, text: str) -> str:
        text = _replace_balanced(text, "$((", "))", lambda inner: str(self._arithmetic(inner)))
        text = _replace_balanced(text, "$(", ")", self._substitute)
        if "`" in text:
            text = re.sub(r"`([^`]*)`", lambda match: self._substitute(match.group(1)), text)
        text = _EXPANSION.sub(self._variable, text)
        return re.sub(r"\\(.)", r"\1", text)

    def _variable(self, match: re.Match[str]) -> str:
        name = match.group(1) or match.group(4)
        if match.group(5):
            return str(self.status) if match.group(5) == "?" else "1" if match.group(5) == "$" else ""
        if name == "RANDOM":
            return str(self.rand.randrange(32768))
        value, operator = self.env.get(name, ""), (match.group(2) or "")[-1:]
        if operator == "+":
            return match.group(3) if value else ""
        return value or (match.group(3) if operator in ("-", "=") else "")

    def _arithmetic(self, inner: str) -> int:
        text = re.sub(r"\$?\b([A-Za-z_]\w*)", lambda m: self._number(m.group(1)), inner)
        return arithmetic(text)

    def _number(self, name: str) -> str:
        if name == "RANDOM":
            return str(self.rand.randrange(32768))
        value = self.env.get(name, "0")
        return value if value.lstrip("-").isdigit() else "0"

    def _substitute(self, script: str) -> str:
        """Output of a command; one that waits does not wait here."""
        inner = Shell(dict(self.env), self.files, self.rand, uid=self.uid)
        try:
            for wait in inner.run(script):
                if wait == NEVER:
                    break
        except ShellError:
            return ""
        return inner.output.rstrip("\n")


def _is_idle(node: Loop) -> bool:
    """An endless loop that only waits and prints: it need not be woken for every round."""
    always = {"true", ":", "[ 1 ]", "/bin/true"}
    commands = node.condition.commands
    if len(commands) != 1 or len(commands[0].steps) != 1:
        return False
    head = commands[0].steps[0][1]
    if not isinstance(head, Simple) or " ".join(head.words) not in always:
        return False
    return all(_is_idle_step(step) for command in node.body.commands for _, step in command.steps)


def _is_idle_step(node: Node) -> bool:
    idle = {"sleep", "echo", "date", "true", ":", "wait", "printf"}
    if isinstance(node, Pipe):
        return all(map(_is_idle_step, node.parts))
    return isinstance(node, Simple) and bool(node.words) and node.words[0] in idle and not node.redirects


def script_of(arguments: list[str]) -> str | None:
    """The script of `sh -c SCRIPT`; None without one."""
    for i, word in enumerate(arguments):
        if word.startswith("-") and not word.startswith("--") and word.endswith("c"):
            return arguments[i + 1] if i + 1 < len(arguments) else None
    return None


def _duration(arguments: list[str]) -> float:
    total = 0.0
    for word in arguments:
        if word in ("infinity", "inf"):
            return NEVER
        number, unit = (word[:-1], _UNITS[word[-1]]) if word[-1:] in _UNITS else (word, 1.0)
        try:
            total += float(number) * unit
        except ValueError:
            return 0.0
    return total if math.isfinite(total) else NEVER


def _quoted_end(text: str, i: int) -> int:
    end = i + 1
    while end < len(text) and text[end] != '"':
        end += 2 if text[end] == "\\" else _expansion_length(text, end)
    return end


def _expansion_length(text: str, i: int) -> int:
    return _balanced(text, i + 1) - i if text.startswith(("$(", "${"), i) else 1


def _balanced(text: str, i: int) -> int:
    opening = text[i]
    closing = ")" if opening == "(" else "}"
    depth = 0
    for at in range(i, len(text)):
        depth += (text[at] == opening) - (text[at] == closing)
        if not depth:
            return at + 1
    return len(text)


def _replace_balanced(text: str, opening: str, closing: str, replace: Callable[[str], str]) -> str:
    while (start := text.find(opening)) >= 0:
        end = _balanced(text, start + 1)
        inner = text[start + len(opening) : end - len(closing)]
        text = text[:start] + replace(inner) + text[end:]
    return text
