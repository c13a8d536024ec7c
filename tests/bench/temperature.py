"""Loss, Hopfield retrieval and temperature: `experiment=temperature` in parts that resume, and the table and sentence of what is done.

60 training runs: about 40 minutes on two quiet cores. The same command goes on where the last one stopped; the temperatures at which
published models end come first, so that a part of the grid has a sentence already.

python tests/bench/temperature.py ROOT [--minutes 13] [--taus 100 30 50 70 14.3] [--seeds 0 1 2] [train.steps=800 ...]
"""

import argparse
import signal
import subprocess
import sys

from tda.config.stages import ReportConfig
from tda.errors import UserError
from tda.report.data.load import Run, load_run
from tda.report.drawing.table import NOTHING
from tda.report.topics.temperature.tables import temperature_table

ARMS = {
    "toy_infonce": "InfoNCE",
    "toy_infonce_hopfield": "InfoNCE + Hopfield",
    "toy_infoloob": "InfoLOOB",
    "toy_cloob": "InfoLOOB + Hopfield",
}
LEAVE = 60  # seconds to end what is written


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root")
    parser.add_argument("--minutes", type=float, default=13.0)
    parser.add_argument("--taus", nargs="+", default=["100", "30", "50", "70", "14.3"])
    parser.add_argument("--seeds", nargs="+", default=["0", "1", "2"])
    options, more = parser.parse_known_args()
    whole = go_on(options.root, options.taus, options.seeds, more, options.minutes * 60)
    try:
        run = load_run(options.root, ReportConfig(ablation=dict(ARMS)))
    except UserError as error:
        print(error)
        return 1
    done = sum(len(sweep.whole) for sweep in run.sweeps if sweep.job == "paper")
    print(f"{done} of {len(options.taus) * len(options.seeds)} cells are done, each four arms")
    print_table(run)
    return 0 if whole else 1


def go_on(root: str, taus: list[str], seeds: list[str], more: list[str], seconds: float) -> bool:
    """Run the sweep until it ends or time is up; what it has done is kept."""
    values = [f"train.inv_tau={','.join(taus)}", f"train.seed={','.join(seeds)}"]
    command = [sys.executable, "-P", "-m", "jobs.paper", "-m", "experiment=temperature", f"root={root}", *values, *more]
    process = subprocess.Popen(command)
    try:
        return process.wait(timeout=seconds) == 0
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=LEAVE)
    except subprocess.TimeoutExpired:
        process.kill()
    return False


def print_table(run: Run) -> None:
    table = temperature_table(run)
    print("| " + " | ".join(column.label for column in table.columns) + " |")
    print("|" + "---|" * len(table.columns))
    for row in table.rows:
        shown = (
            NOTHING if value is None else value if isinstance(value, str) else column.show(value)
            for column, value in zip(table.columns, row, strict=True)
        )
        print("| " + " | ".join(shown) + " |")
    print(*(table.sentences or ["no sentence: two temperatures by two seeds are needed"]), sep="\n")


if __name__ == "__main__":
    sys.exit(main())
