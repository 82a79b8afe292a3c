"""What became of every sketch: told as it happens, and written as a table."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from sketchcli import files
from sketchcli.engine.events import Advanced, Converted, Note, Reporter
from sketchcli.engine.generating.outputs import Job, Plan
from sketchcli.engine.generating.planning import of_share
from sketchcli.engine.generating.request import Request
from sketchcli.engine.results import GeneratedFile, GenerateResult

COLUMNS = ("source", "output", "status", "milliseconds", "warnings", "error")


class Tally:
    """What became of each job so far.

    Args:
        jobs: All of them; those that are done already count at once.
        reporter: Told of each.
    """

    def __init__(self, jobs: Sequence[Job], reporter: Reporter) -> None:
        self.places = {(job.source, job.output): i for i, job in enumerate(jobs)}
        self.failing = {job.source: i for i, job in enumerate(jobs)}
        self.total, self.reporter = len(jobs), reporter
        self.found: list[tuple[int, GeneratedFile]] = []
        for job in jobs:
            if job.is_done:
                self.add(GeneratedFile(job.source, job.output, 0.0, status="skipped"))

    def add(self, file: GeneratedFile) -> None:
        """Note a file, and report it."""
        place = self.places[file.source, file.output] if file.output else self.failing[file.source]
        self.found.append((place, file))
        report_file(file, self.reporter)
        self.reporter(Advanced("sketches", len(self.found), self.total))

    @property
    def files(self) -> tuple[GeneratedFile, ...]:
        """In the order of the jobs."""
        return tuple(file for _, file in sorted(self.found, key=lambda found: found[0]))


def report_file(file: GeneratedFile, reporter: Reporter) -> None:
    """Tell of a file, and of what is odd about it."""
    for warning in file.warnings:
        reporter(Note(f"{file.source}: {warning}", is_warning=True))
    reporter(Converted(file))


def nothing_to_do(request: Request, plan: Plan, reporter: Reporter) -> GenerateResult | None:
    """The result where every photo is there already; None where something is left to do.

    Raises:
        DataError: The manifest cannot be written.
    """
    if not all(job.is_done for job in plan.jobs):
        return None
    done = Tally(plan.jobs, reporter).files
    return GenerateResult((), done, write_manifest(request, done))


def write_manifest(request: Request, done: Sequence[GeneratedFile]) -> Path | None:
    """Write a CSV in UTF-8 with a line for each file, whole or not at all, where one is asked for.

    Returns:
        Where it is.

    Raises:
        DataError: It cannot be written.
    """
    if request.manifest is None:
        return None
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(COLUMNS)
    for file in done:
        told = ("; ".join(file.warnings), file.error or "")
        table.writerow([file.source, file.output or "", file.status, file.milliseconds, *told])
    path = of_share(request.manifest, request.share)
    files.write_text(path, text.getvalue())
    return path
