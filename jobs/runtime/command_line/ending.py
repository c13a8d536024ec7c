"""How a command ends: help, signals, and the last line for programs stand around its work."""

import sys
from collections.abc import Callable

from jobs.runtime.command_line.help import print_help
from jobs.runtime.command_line.output import begin, print_for_programs, unless_closed
from jobs.runtime.command_line.plugins import only_installed_plugins
from jobs.runtime.command_line.stopping import received, stoppable

HELP, JSON = {"--help", "-h"}, "--json"


def well_ended(job: str, schema: type, work: Callable[[], int]) -> Callable[[], int]:
    """`work` as the `main` of a command: --help prints the job's help, --json adds a last line, SIGTERM and Ctrl-C end it with one line.

    Words after `--` belong to another command.
    """

    def main() -> int:
        words = sys.argv[1 : sys.argv.index("--") if "--" in sys.argv else None]
        if HELP.intersection(words):
            unless_closed(lambda: print_help(job, schema))
            return 0
        if JSON in words:
            sys.argv.remove(JSON)
        begin(programs=JSON in words)
        only_installed_plugins()
        status = _stopped_well(job, work)
        print_for_programs(job, status)
        return status

    return main


def _stopped_well(job: str, work: Callable[[], int]) -> int:
    with stoppable(job) as stop:
        try:
            return work()
        except KeyboardInterrupt as error:
            return stop.complain(str(error))
        except SystemExit:  # of Ray, which has its own handler while it starts
            if received():
                return stop.complain()
            raise
