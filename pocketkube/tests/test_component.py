"""What a component's process does before it serves."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pocketkube import component
from pocketkube.readiness import take_reporter

ROOT = Path(__file__).resolve().parents[2]


def test_a_server_loads_no_client_and_whoever_wants_one_gets_it() -> None:
    program = (
        "import sys; from pocketkube.component import prepare_imports; prepare_imports(); import apiserver.server.run;"
        "assert 'aiohttp.client' not in sys.modules and 'cryptography' not in sys.modules;"
        "import aiohttp; from aiohttp import web; assert aiohttp.ClientSession and web.Application and aiohttp.hdrs;"
        "assert aiohttp.http_parser is sys.modules['aiohttp.http_parser']"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=60)


def test_a_reporter_tells_once_and_takes_its_flags_away() -> None:
    read_end, write_end = os.pipe()
    arguments = ["--a", "--ready-fd", str(write_end), "--lifeline-fd", "99", "--b"]
    reporter = take_reporter(arguments)
    assert (arguments, reporter.lifeline) == (["--a", "--b"], 99)
    reporter.ready(port=1)
    reporter.failed("too late")
    with os.fdopen(read_end) as pipe:
        assert json.loads(pipe.read()) == {"ready": True, "port": 1}


def test_nobody_listening_is_no_reason_to_fail() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    take_reporter(["--ready-fd", str(write_end)]).ready()


def test_without_a_supervisor_errors_go_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    take_reporter([]).failed("no")
    assert capsys.readouterr().err == "Error: no\n"


def test_the_end_of_the_supervisor_is_the_end_of_the_component() -> None:
    read_end, write_end = os.pipe()

    async def main(stop: asyncio.Event) -> None:
        os.close(write_end)
        await asyncio.wait_for(stop.wait(), 10)

    component.run(main, read_end)
    os.close(read_end)
