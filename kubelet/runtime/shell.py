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
from kubelet.runtime.shell_syntax import AndOr, Block, For, If, Loop, Node, Pipe, ShellError, Simple, parse

MAX_STEPS = 2000  # between two waits; a script that does more is taken to go on for ever
MAX_OUTPUT = 64 * 1024
DEVICES = frozenset(
    {"/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty", "/dev/zero", "/proc/1/fd/1", "/proc/1/fd/2"}
)
MAX_ARITHMETIC = 200  # characters
Run = Generator[float, None, int]

_EXPANSION = re.compile(r"\$(?:\{(\w+)(?:(:?[-=?+])([^}]*))?\}|(\w+)|([?$@#*]))")
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_ARITHMETIC = re.compile(r"[\d\s+\-*/%()<>=!&|]*")


class _Exit(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


@dataclass
class Shell:
    """One run. `output` is what was printed, stdout and stderr together."""

    env: dict[str, str]
    files: Files
    rand: Random
    output: str = ""
    _steps: int = 0
    _status: int = 0
    _exit_on_error: bool = False
    _background: list[AndOr] = field(default_factory=list)

    def run(self, script: str) -> Run:
        """Raises ShellError (before the first wait) for a script that is not understood."""
        block = parse(script)
        try:
            code = yield from self._block(block)
        except _Exit as end:
            code = end.code
        except (_Break, _Continue):
            code = 0
        return code & 0xFF

    def command(self, words: list[str]) -> Run:
        """One command with its arguments as they are."""
        try:
            code = yield from self._execute(words)
        except _Exit as end:
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
            self._status = code
        if code and self._exit_on_error and len(node.steps) == 1:
            raise _Exit(code)
        return code

    def _pipe(self, node: Pipe) -> Run:
        code = 0
        for part in node.parts:
            code = yield from self._node(part)
        return int(not code) if node.negated else code

    def _if(self, node: If) -> Run:
        for condition, body in node.branches:
            if not (yield from self._quietly(condition)):
                return (yield from self._block(body))
        return (yield from self._block(node.otherwise)) if node.otherwise is not None else 0

    def _quietly(self, condition: Block) -> Run:
        """A condition may fail without ending the script."""
        before, self._exit_on_error = self._exit_on_error, False
        try:
            return (yield from self._block(condition))
        finally:
            self._exit_on_error = before

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
            except _Break:
                return 0
            except _Continue:
                continue

    def _for(self, node: For) -> Run:
        code = 0
        for word in [word for written in node.words for word in self._words(written)]:
            self.env[node.name] = word
            try:
                code = yield from self._block(node.body)
            except _Break:
                break
            except _Continue:
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
        self._status = code
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
        if name in ("exec", "command", "time", "nohup", "env", "sudo", "timeout", "nice"):
            rest = arguments[1:] if name == "timeout" else arguments
            code = yield from self._execute(rest) if rest else self._nothing()
            if name == "exec" and rest:
                raise _Exit(code)
            return code
        if name == "wait":
            code = 0
            for command in self._background:
                code = yield from self._and_or(command)
            self._background.clear()
            return code
        if name == "tail" and any(word.startswith("-f") or word == "-F" for word in arguments):
            yield NEVER
        builtin = _COMMANDS.get(name)
        return builtin(self, arguments) if builtin is not None else 0

    def _nested(self, arguments: list[str]) -> Run:
        script = script_of(arguments)
        if script is None:
            return 0
        inner = Shell(self.env, self.files, self.rand)
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
            return str(self._status) if match.group(5) == "?" else "1" if match.group(5) == "$" else ""
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
        inner = Shell(dict(self.env), self.files, self.rand)
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


def arithmetic(text: str) -> int:
    """Whole numbers with + - * / % and parentheses, as `$(( ))` and expr have them; 0 for everything else."""
    text = text.replace("/", "//").strip()
    if not text or len(text) > MAX_ARITHMETIC or not _ARITHMETIC.fullmatch(text):
        return 0
    if any(operator in text for operator in ("**", "<<", ">>")):
        return 0  # these could make numbers of any size
    try:
        return int(eval(text, {"__builtins__": {}}))
    except (SyntaxError, ArithmeticError, TypeError, ValueError):
        return 0


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


def _exit(shell: Shell, arguments: list[str]) -> int:
    word = arguments[0] if arguments else str(shell._status)
    raise _Exit(int(word) if word.lstrip("-").isdigit() else 2)


def _break(shell: Shell, arguments: list[str]) -> int:
    raise _Break


def _continue(shell: Shell, arguments: list[str]) -> int:
    raise _Continue


def _echo(shell: Shell, arguments: list[str]) -> int:
    newline = "-n" not in arguments[:1]
    words = [word for i, word in enumerate(arguments) if i or word not in ("-n", "-e", "-ne")]
    shell.say(" ".join(words) + ("\n" if newline else ""))
    return 0


def _printf(shell: Shell, arguments: list[str]) -> int:
    text = arguments[0] if arguments else ""
    for word in arguments[1:]:
        text = re.sub(r"%[sd]", lambda match, word=word: word, text, count=1)  # type: ignore[misc]
    shell.say(text.replace("\\n", "\n"))
    return 0


def _touch(shell: Shell, arguments: list[str]) -> int:
    for path in arguments:
        if not path.startswith("-") and not shell.files.exists(path):
            shell.files.write(path, "")
    return 0


def _mkdir(shell: Shell, arguments: list[str]) -> int:
    for path in arguments:
        if not path.startswith("-"):
            shell.files.write(path.rstrip("/") + "/.", "")
    return 0


def _remove(shell: Shell, arguments: list[str]) -> int:
    paths = [path for path in arguments if not path.startswith("-")]
    code = 0 if any(word.startswith("-") and "f" in word for word in arguments) else 1
    if all(map(shell.files.exists, paths)):
        code = 0
    for path in paths:
        shell.files.remove(path)
    return code


def _cat(shell: Shell, arguments: list[str]) -> int:
    code = 0
    for path in arguments:
        if path.startswith("-"):
            continue
        text = shell.files.read(path)
        if (
            not text
            and not shell.files.exists(path)
            and path.startswith(("/tmp", "/data", "/mnt", "/dev/shm", "/cache"))
        ):
            shell.say(f"cat: can't open '{path}': No such file or directory\n")
            code = 1
        shell.say(text)
    return code


def _set(shell: Shell, arguments: list[str]) -> int:
    for word in arguments:
        if word.startswith("-") and "e" in word:
            shell._exit_on_error = True
    return 0


def _export(shell: Shell, arguments: list[str]) -> int:
    for word in arguments:
        name, equals, value = word.partition("=")
        if equals:
            shell.env[name] = value
    return 0


def _expr(shell: Shell, arguments: list[str]) -> int:
    value = arithmetic(" ".join(arguments))
    shell.say(f"{value}\n")
    return 0 if value else 1


def _seq(shell: Shell, arguments: list[str]) -> int:
    numbers = [int(word) for word in arguments if word.lstrip("-").isdigit()]
    first, last = (1, numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[-1]) if numbers else (1, 0)
    shell.say("".join(f"{number}\n" for number in range(first, min(last, first + MAX_STEPS) + 1)))
    return 0


def _test(shell: Shell, arguments: list[str]) -> int:
    words = [word for word in arguments if word not in ("]", "]]")]
    return 0 if _holds(shell, words) else 1


def _holds(shell: Shell, words: list[str]) -> bool:
    for joint, combine in (("-o", any), ("||", any), ("-a", all), ("&&", all)):
        if joint in words:
            at = words.index(joint)
            return combine((_holds(shell, words[:at]), _holds(shell, words[at + 1 :])))
    if words[:1] == ["!"]:
        return not _holds(shell, words[1:])
    if len(words) == 2 and words[0] in ("-z", "-n"):
        return (words[1] == "") == (words[0] == "-z")
    if len(words) == 2 and words[0] == "-d":
        return shell.files.is_directory(words[1])
    if len(words) == 2 and words[0].startswith("-"):
        return shell.files.exists(words[1])
    if len(words) == 3:
        return _compare(*words)
    return len(words) == 1 and words[0] != ""


def _compare(left: str, operator: str, right: str) -> bool:
    if operator in ("=", "=="):
        return left == right
    if operator == "!=":
        return left != right
    try:
        a, b = int(left), int(right)
    except ValueError:
        return False
    return {"-eq": a == b, "-ne": a != b, "-lt": a < b, "-le": a <= b, "-gt": a > b, "-ge": a >= b}.get(operator, False)


_COMMANDS: dict[str, Callable[[Shell, list[str]], int]] = {
    "true": lambda shell, arguments: 0,
    ":": lambda shell, arguments: 0,
    "false": lambda shell, arguments: 1,
    "exit": _exit,
    "return": _exit,
    "break": _break,
    "continue": _continue,
    "echo": _echo,
    "printf": _printf,
    "touch": _touch,
    "mkdir": _mkdir,
    "rm": _remove,
    "cat": _cat,
    "set": _set,
    "export": _export,
    "expr": _expr,
    "seq": _seq,
    "test": _test,
    "[": _test,
    "[[": _test,
    "hostname": lambda shell, arguments: _echo(shell, [shell.env.get("HOSTNAME", "")]),
}
