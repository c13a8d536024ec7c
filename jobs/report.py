"""Geometry into pages: `<root>/report/index.html` from everything that was analysed under `root`."""

import sys

from jobs.runtime.app import Outcome, command
from tda.config import ReportJob
from tda.report.page import build


def run(job: ReportJob) -> Outcome:
    """Build the report, or find that it stands already. A figure that lacks its data is named on the page."""
    built = build(job.root, job.report)
    state = "written" if built.rebuilt else "unchanged"
    lacks = f"; {len(built.missing)} not drawn, the page says why" if built.missing else ""
    return Outcome(whole=True, line=f"report: {built.url} ({state}; data sets: {built.datasets}, encoders: {built.encoders}{lacks})")


main = command("report", ReportJob, run)

if __name__ == "__main__":
    sys.exit(main())
