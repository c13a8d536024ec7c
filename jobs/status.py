"""What is in a root, what runs, what is left, and what the next command would be: from the root alone, also of a cluster that is gone.

python -m jobs.status root=URL          a table; format=json for programs: one document, on one line

It lists folders and reads small documents; no shard and no record is opened, and nothing is written. Exit status 1 where a document could
not be read: it is named, and the rest is shown.
"""

import json
import shutil
import sys

from rich.console import Console

from jobs.inventory.survey import survey
from jobs.inventory.table import line, show
from jobs.runtime.app import Outcome, command
from tda.config.jobs import StatusJob
from tda.store.files import absolute

WIDTH = 120  # columns where the output is no terminal and COLUMNS is not set


def run(job: StatusJob) -> Outcome:
    """Look, and show. Raises UserError where there is no root."""
    found = survey(absolute(job.root))
    whole = not found["damaged"]
    if job.format == "json":
        return Outcome(whole=whole, line=json.dumps(found))
    show(found, Console(file=sys.stdout, width=None if sys.stdout.isatty() else shutil.get_terminal_size((WIDTH, 24)).columns))
    return Outcome(whole=whole, line=line(found))


main = command("status", StatusJob, run, recorded=False)

if __name__ == "__main__":
    sys.exit(main())
