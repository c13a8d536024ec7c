"""Build `<root>/report/index.html` from everything that was analysed under `root`."""

import sys

from jobs.runtime.app import Outcome, command
from jobs.runtime.showing.display import tracked
from tda.config.jobs import ReportJob
from tda.report.page import build


def run(job: ReportJob) -> Outcome:
    """Build the report, or reuse one that is up to date. The page names figures without data."""
    with tracked("report"):
        built = build(job.root, job.report)
    state = "written" if built.rebuilt else "unchanged"
    lacks = f"; {len(built.missing)} not drawn, see the page for reasons" if built.missing else ""
    stale = f". {built.stale}" if built.stale else ""
    line = f"report: {built.url} ({state}; data sets: {built.datasets}, encoders: {built.encoders}{lacks}){stale}"
    return Outcome(whole=True, line=line, places=[built.url])


main = command("report", ReportJob, run)

if __name__ == "__main__":
    sys.exit(main())
