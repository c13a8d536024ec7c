"""The console script `lacuna`: `lacuna embed ...` is `python -P -m jobs.embed ...`, and runs nothing of the working directory."""

import ast
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

import jobs
from jobs.runtime.command_line.output import unless_closed

EXIT_USER_ERROR = 2
HELP = ("--help", "-h", "help")
BASH = """_lacuna() {
    local words=("${COMP_WORDS[@]:2}") job="${COMP_WORDS[1]}"
    if [ "$COMP_CWORD" -eq 1 ]; then COMPREPLY=($(compgen -W "NAMES" -- "$job")); return; fi
    COMPREPLY=($(COMP_LINE="lacuna-$job ${words[*]}" COMP_POINT=9999 lacuna "$job" -sc query=bash 2> /dev/null))
    [[ "${COMPREPLY[0]}" == *[=/.] ]] && compopt -o nospace
}
COMP_WORDBREAKS=${COMP_WORDBREAKS//=}
complete -o default -F _lacuna lacuna
"""


def names() -> list[str]:
    """The jobs, by the files of the package."""
    return sorted(file.stem for folder in jobs.__path__ for file in Path(folder).glob("[a-z]*.py"))


def summary(job: str) -> str:
    """The first sentence of a job's docstring, read without importing it."""
    file = next(Path(folder) / f"{job}.py" for folder in jobs.__path__ if (Path(folder) / f"{job}.py").is_file())
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return " ".join(text.partition("\n\n")[0].split()).partition(". ")[0].rstrip(".")


def overview() -> str:
    """The help of `lacuna` itself."""
    lines = [f"    {name:10}{summary(name)}" for name in names()]
    return "\n".join(
        [
            "lacuna JOB key=value ...     measures the shape of image-text embedding spaces",
            "",
            *lines,
            "",
            "    lacuna JOB --help           its options, presets and examples",
            "    lacuna JOB ... --json       a last line for programs",
            '    eval "$(lacuna completion)" completion, for bash',
            "",
            "lacuna embed dataset=files dataset.name=coco dataset.shards='/data/{00000..00059}.tar' encoder=clip_vitb16_openai \\",
            "    encoder.checkpoint=ViT-B-16.pt root=/data/root",
            "lacuna analyze dataset.name=coco encoder.name=clip_vitb16_openai root=/data/root",
            "lacuna report root=/data/root",
        ]
    )


def main(words: Sequence[str] | None = None) -> int:
    """Run one job; returns its exit status."""
    words = list(sys.argv[1:] if words is None else words)
    if not words or words[0] in HELP:
        unless_closed(lambda: print(overview(), flush=True))
        return 0
    job, *rest = words
    if job == "completion":
        unless_closed(lambda: print(BASH.replace("NAMES", " ".join(names())), flush=True))
        return 0
    if job not in names():
        print(f"lacuna: {job} is unknown; choose one of: {', '.join(names())}", file=sys.stderr)
        return EXIT_USER_ERROR
    sys.argv = [f"lacuna {job}", *rest]
    status: int = importlib.import_module(f"jobs.{job}").main()
    return status


if __name__ == "__main__":
    sys.exit(main())
