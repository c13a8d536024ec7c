"""Build `<root>/report/index.html` from everything that was analysed under `root`."""

import shutil
import sys

from jobs.reporting.serving import LOOPBACK, open_in_browser, server_of
from jobs.runtime.app import Outcome, command
from jobs.runtime.showing.display import tracked
from tda.config.jobs import ReportJob
from tda.report.against import as_lines, compare
from tda.report.one_figure import write_figure
from tda.report.page import Built, build


def run(job: ReportJob) -> Outcome:
    """Build the report, or reuse one that is up to date. The page names figures without data."""
    if job.figure:
        write_figure(job.figure, job.root, job.out, models=job.models, data=job.data, config=job.report)
        return Outcome(whole=True, line=f"report: {job.figure} is {job.out}", places=[job.out])
    with tracked("report"):
        built = build(job.root, job.report)
    if job.format == "text":
        print(built.text(shutil.get_terminal_size((100, 24)).columns))
    lines = [_line(built), *([_against(job)] if job.against else [])]
    if job.open:
        open_in_browser(built.url)
    if job.serve:
        _serve(built.url, job.port)
    return Outcome(whole=True, line="; ".join(lines), places=[built.url])


def _line(built: Built) -> str:
    state = "written" if built.rebuilt else "unchanged"
    lacks = f"; {len(built.missing)} not drawn, see the page for reasons" if built.missing else ""
    stale = f". {built.stale}" if built.stale else ""
    return f"report: {built.url} ({state}; data sets: {built.datasets}, encoders: {built.encoders}{lacks}){stale}"


def _against(job: ReportJob) -> str:
    found = compare(job.root, job.against, job.report)
    if job.format == "text":
        print("\n".join(["", f"Against {job.against}", *(f"  {line}" for line in as_lines(found.table))]))
    alone = f", {len(found.alone)} cells in one root alone" if found.alone else ""
    return f"against {job.against}: {found.moved} of {found.numbers} numbers moved{alone}: {found.url}"


def _serve(url: str, port: int) -> None:
    """Serve until Ctrl-C, which ends the command as it ends any other."""
    with server_of(url, port) as server:
        print(f"http://{LOOPBACK}:{server.server_address[1]}/{url.rpartition('/')[2]}", flush=True)
        server.serve_forever()


main = command("report", ReportJob, run)

if __name__ == "__main__":
    sys.exit(main())
