"""Signals end a job: its exit status, its one line, and a job that does not end by itself."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from jobs.runtime.command_line.stopping import listen, stoppable
from jobs.runtime.progress import ShardProgress

JOB = """
import hashlib, sys, time
from jobs.runtime.command_line import stopping
from jobs.runtime.progress import ShardProgress

stopping.GRACE = 0.5

def main(how):
    with stopping.stoppable("embed") as stop:
        try:
            with ShardProgress(what="set / tiny", shards=3) as progress:
                progress.add(pairs=4)
                print("working", flush=True)
                while how == "python":
                    time.sleep(0.01)
                hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)  # compiled code, which no handler interrupts
        except KeyboardInterrupt:
            return stop.complain()

sys.exit(main(sys.argv[1]))
"""
KEPT = "set / tiny: 1 of 3 shards of this run are done; recorded shards are kept; the same command resumes from here\n"


def _ended_by(number: int, how: str) -> tuple[int, str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[4])}
    job = subprocess.Popen([sys.executable, "-c", JOB, how], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert job.stdout is not None
    assert job.stdout.readline() == "working\n"
    job.send_signal(number)
    _, errors = job.communicate(timeout=60)
    return job.returncode, errors


@pytest.mark.parametrize("how", ["python", "compiled"])
def test_one_line_and_the_status_of_the_signal(how: str) -> None:
    assert _ended_by(signal.SIGTERM, how) == (143, f"lacuna embed: stopped by SIGTERM; {KEPT}")
    assert _ended_by(signal.SIGINT, how) == (130, f"lacuna embed: interrupted; {KEPT}")


def test_handlers_are_put_back_and_set_again_only_inside() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with stoppable("report"):
        inside = signal.getsignal(signal.SIGTERM)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # as Ray does where it starts
        listen()
        assert signal.getsignal(signal.SIGTERM) is inside is not before[1]
    listen()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert signal.set_wakeup_fd(-1) == -1


def test_a_second_signal_does_not_disturb_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    with stoppable("report") as stop:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert stop.complain() == stop.complain() == 143
    line = "lacuna report: stopped by SIGTERM; results of earlier runs are kept; the same command resumes from here\n"
    assert capsys.readouterr().err == line


def test_what_was_reached_is_of_the_work_at_hand(capsys: pytest.CaptureFixture[str]) -> None:
    with stoppable("verify") as stop:
        with ShardProgress(what="over", shards=1):
            pass
        stop.complain()
    assert "over: " not in capsys.readouterr().err.splitlines()[-1]


def test_outside_of_the_main_thread_signals_stay_as_they_are() -> None:
    seen = list[object]()

    def run() -> None:
        with stoppable("embed"):
            seen.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [before]
