"""The commands of the small shell that have an effect: on exit codes, output and files. What is not here succeeds and says nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kubelet.runtime.shell import Shell

MAX_NUMBERS = 2000  # that seq prints
MAX_ARITHMETIC = 200  # characters
_ARITHMETIC = re.compile(r"[\d\s+\-*/%()<>=!&|]*")
_FIELD = re.compile(r"\$(\d+)")


class ShellExit(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class ShellBreak(Exception):
    pass


class ShellContinue(Exception):
    pass


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


def _exit(shell: Shell, arguments: list[str]) -> int:
    word = arguments[0] if arguments else str(shell.status)
    raise ShellExit(int(word) if word.lstrip("-").isdigit() else 2)


def _break(shell: Shell, arguments: list[str]) -> int:
    raise ShellBreak


def _continue(shell: Shell, arguments: list[str]) -> int:
    raise ShellContinue


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
    if not any(not word.startswith("-") for word in arguments):
        shell.say(shell.stdin)
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
            shell.exit_on_error = True
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
    shell.say("".join(f"{number}\n" for number in range(first, min(last, first + MAX_NUMBERS) + 1)))
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


def _input(shell: Shell, arguments: list[str], skip: int = 0) -> str:
    """What a filter reads: its files, or what is piped into it. The first `skip` words that are no flags are no files."""
    paths = [word for word in arguments if not word.startswith("-")][skip:]
    return "".join(map(shell.files.read, paths)) if paths else shell.stdin


def _print_lines(shell: Shell, lines: Iterator[str] | list[str]) -> int:
    shell.say("".join(f"{line}\n" for line in lines))
    return 0


def _count(shell: Shell, arguments: list[str]) -> int:
    """wc: lines, words or characters, with the file's name as it prints it."""
    text = _input(shell, arguments)
    counts = {"-l": text.count("\n"), "-w": len(text.split()), "-c": len(text)}
    wanted = [str(counts[word]) for word in arguments if word in counts] or [str(count) for count in counts.values()]
    return _print_lines(shell, [" ".join([*wanted, *(word for word in arguments if not word.startswith("-"))])])


def _awk(shell: Shell, arguments: list[str]) -> int:
    """Only `{print $N}`."""
    program = arguments[0] if arguments else ""
    match = _FIELD.search(program)
    lines = _input(shell, arguments, 1).splitlines()
    if "print" not in program or match is None:
        return _print_lines(shell, lines)
    i = int(match.group(1))
    return _print_lines(shell, [line if i == 0 else (line.split() + [""] * i)[i - 1] for line in lines])


def _grep(shell: Shell, arguments: list[str]) -> int:
    flags = "".join(word[1:] for word in arguments if word.startswith("-") and not word.startswith("--"))
    words = [word for word in arguments if not word.startswith("-")]
    try:
        pattern = re.compile(words[0] if words else "", re.IGNORECASE if "i" in flags else 0)
    except re.error:
        return 2
    found = [line for line in _input(shell, arguments, 1).splitlines() if bool(pattern.search(line)) != ("v" in flags)]
    if "c" in flags:
        _print_lines(shell, [str(len(found))])
    elif "q" not in flags:
        _print_lines(shell, found)
    return 0 if found else 1


def _some_lines(shell: Shell, arguments: list[str], *, last: bool) -> int:
    numbers = [word.lstrip("-n") for word in arguments if word.lstrip("-n").isdigit()]
    count = int(numbers[0]) if numbers else 10
    lines = _input(shell, [word for word in arguments if not word.isdigit()]).splitlines()
    return _print_lines(shell, lines[-count:] if last else lines[:count])


def _sorted(shell: Shell, arguments: list[str]) -> int:
    return _print_lines(shell, sorted(_input(shell, arguments).splitlines()))


def _id(shell: Shell, arguments: list[str]) -> int:
    flags = "".join(arguments)
    if "u" in flags or "g" in flags or "G" in flags:
        return _print_lines(shell, [str(shell.uid)])
    return _print_lines(shell, [f"uid={shell.uid} gid={shell.uid}"])


def _env(shell: Shell, arguments: list[str]) -> int:
    return _print_lines(shell, [f"{name}={value}" for name, value in sorted(shell.env.items())])


COMMANDS: dict[str, Callable[[Shell, list[str]], int]] = {
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
    "wc": _count,
    "awk": _awk,
    "grep": _grep,
    "head": lambda shell, arguments: _some_lines(shell, arguments, last=False),
    "tail": lambda shell, arguments: _some_lines(shell, arguments, last=True),
    "sort": _sorted,
    "id": _id,
    "printenv": _env,
    "env": _env,
    "hostname": lambda shell, arguments: _echo(shell, [shell.env.get("HOSTNAME", "")]),
}
