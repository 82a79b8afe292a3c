"""What a request comes to, before anything heavy is imported: which files, and where to."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from sketchcli.engine.generating import inputs, outputs
from sketchcli.engine.generating.outputs import Job, Plan
from sketchcli.engine.generating.request import Request, Share
from sketchcli.engine.results import GeneratedFile, GenerateResult
from sketchcli.errors import UsageError


def plan(request: Request) -> Plan:
    """All photos of a request.

    Raises:
        DataError: Nothing to read, or nowhere to write.
        UsageError: The request contradicts itself.
    """
    found = inputs.find(request.sources, request.listed, request.selection)
    return outputs.plan(
        found,
        request.output,
        request.naming,
        request.share,
        variations=request.drawing.variations,
    )


def parse_share(text: str | None) -> Share:
    """The share of the work that `2/8` means; without it, a torchrun rank's, or all.

    Raises:
        UsageError: It means none.

    >>> parse_share("2/8")
    Share(number=2, count=8)
    """
    if text is None:
        ranks = os.environ.get("RANK", "0"), os.environ.get("WORLD_SIZE", "1")
        text = f"{int(ranks[0]) + 1}/{ranks[1]}" if ranks[0].isdigit() else f"{ranks[0]}/{ranks[1]}"
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    share = Share(int(match[1]), int(match[2])) if match else Share(0, 0)
    if not 1 <= share.number <= share.count:
        raise UsageError(f"'{text}' is no share of the work", hint="write --shard 2/8")
    return share


def kept(jobs: Sequence[Job]) -> list[GeneratedFile]:
    """What is told of the photos that were there already."""
    return [GeneratedFile(j.source, j.output, 0.0, status="skipped") for j in jobs if j.is_done]


def nothing_to_do(plan: Plan) -> GenerateResult | None:
    """The result where every photo is there already; None where something is left to do."""
    if not all(job.is_done for job in plan.jobs):
        return None
    return GenerateResult((), tuple(kept(plan.jobs)))


def of_share(path: Path, share: Share) -> Path:
    """A file's name with the share in it, so that several can be written side by side.

    >>> of_share(Path("a.csv"), Share(2, 8)).name
    'a-2-of-8.csv'
    """
    if share.is_whole:
        return path
    return path.with_stem(f"{path.stem}-{share.number}-of-{share.count}")
