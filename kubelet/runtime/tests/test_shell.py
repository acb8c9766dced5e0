"""The small shell: what pods' scripts come to."""

from __future__ import annotations

import pytest

from apiserver.apimachinery.rand import Random
from kubelet.runtime.behaviour import NEVER
from kubelet.runtime.files import Files
from kubelet.runtime.interface import ContainerConfig
from kubelet.runtime.programs import Program, program_of
from kubelet.runtime.shell import Shell


def run(script: str, limit: float = 1e6, **env: str) -> tuple[float, int | None, str]:
    """(seconds it took, exit code or None when it never ends, output)."""
    shell = Shell(dict(env), Files((), {}, {}), Random(1))
    program, took = Program(shell, shell.run(script)), 0.0
    while (wait := program.advance()) is not None:
        took += wait
        if took > limit:
            return took, None, program.output
    return took, program.exit_code, program.output


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("exit 0", 0),
        ("exit 1", 1),
        ("true && false", 1),
        ("false || true", 0),
        ("! false", 0),
        ("if [ $(expr ${N} % 2) -ne 0 ]; then\n exit 1\nelse\n exit 0\nfi", 1),
        ("if test -f /nothing; then exit 3; elif [ 2 -gt 1 ]; then exit 4; fi", 4),
        ("x=5; exit $((x * 2 - 3))", 7),
        ("for i in 1 2 3; do if [ $i = 2 ]; then exit 9; fi; done", 9),
        ("set -e; false; exit 0", 1),
        ("(exit 5)", 5),
        ("echo done > /tmp/x && grep -q done /tmp/x; [ -f /tmp/x ]", 0),
        ("some-unknown-tool --flag && exit 6", 6),
        ('test "$MISSING" = "" && exit 8', 8),
        ("false; exit $?", 1),
    ],
)
def test_exit_codes(script: str, code: int) -> None:
    assert run(script, N="3")[1] == code


def test_waits_add_up_and_endless_loops_never_end() -> None:
    assert run("sleep 2; sleep 1m")[0] == 62
    assert run("while true; do sleep 1; done")[0] == NEVER
    assert run("while true; do :; done")[0] == NEVER
    assert run("until [ -f /tmp/x ]; do sleep 5; done", limit=100)[1] is None
    assert run("sleep infinity")[0] == NEVER
    assert run("sleep 5 & wait")[0] == 5


def test_output_and_expansion() -> None:
    assert run("echo \"hello $NAME\"; echo '$NAME'", NAME="you")[2] == "hello you\n$NAME\n"
    assert run("echo $(echo a)b `echo c`")[2] == "ab c\n"
    assert run("echo ${X:-none}")[2] == "none\n"


def test_pipes_and_everyday_tools() -> None:
    count = "f=/tmp/f; count=$(echo 'hello' >> $f ; wc -l $f | awk {'print $1'}); exit $count"
    assert run(count)[1] == 1
    assert run("printf 'a\nb\nc\n' | grep -v b | wc -l")[2] == "2\n"
    assert run("env | grep COLOUR", COLOUR="red")[2] == "COLOUR=red\n"
    assert run("echo x | grep -q y && exit 1; exit 0")[1] == 0
    assert run("test $(id -u) -eq 0")[1] == 0


def test_a_hostile_script_neither_hangs_nor_fails_the_node() -> None:
    for script in ("case x in x) ;; esac", "cat <<EOF\nEOF", "'", "$((", "f() { f; }; f", "echo $((9**9**9))", ";;;;"):
        run(script, limit=10)


def config(*command: str, image: str = "busybox:1.37", args: tuple[str, ...] = ()) -> ContainerConfig:
    return ContainerConfig(name="c", attempt=0, image=image, image_ref="", command=command, args=args)


@pytest.mark.parametrize(
    ("found", "ends"),
    [
        (config(image="nginx"), False),
        (config(image="registry.k8s.io/pause:3.10"), False),
        (config("sleep", "1000000"), True),
        (config("/bin/true"), True),
        (config("sh", "-c", "exit 1"), True),
        (config(image="busybox"), True),
        (config("my-server", image="example.com/own:1"), False),
        (config(image="registry.k8s.io/e2e-test-images/agnhost:2.56", args=("netexec",)), False),
        (config(image="registry.k8s.io/e2e-test-images/agnhost:2.56", args=("entrypoint-tester", "x")), True),
        (config("/agnhost-2", image="agnhost:2.56", args=("entrypoint-tester", "x")), True),
        (config("/agnhost", "pause", image="agnhost:2.56"), False),
        (config("sh", "-c", "exit 1", image="agnhost:2.56"), True),
    ],
)
def test_which_commands_are_known_to_end(found: ContainerConfig, ends: bool) -> None:
    assert (program_of(found, Files((), {}, {}), Random(1)) is not None) == ends


def test_mounttest_watches_a_file_for_as_long_as_it_is_told() -> None:
    watches = ("mounttest", "--file_content_in_loop=/v/key", "--retry_time=120")
    program = program_of(config(image="agnhost:2.56", args=watches), Files((), {}, {}), Random(1))
    assert program is not None
    assert (program.advance(), program.advance(), program.exit_code) == (120.0, None, 0)
