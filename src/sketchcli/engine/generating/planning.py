"""What a request comes to, before anything heavy is imported: which files, and where to."""

import re
from pathlib import Path

from sketchcli.engine.generating import inputs, outputs
from sketchcli.engine.generating.outputs import Plan
from sketchcli.engine.generating.request import Request, Share
from sketchcli.errors import UsageError
from sketchcli.machine import number


def plan(request: Request) -> Plan:
    """All photos of a request.

    Raises:
        DataError: Nothing to read, nowhere to write, or something would be overwritten.
        UsageError: The request contradicts itself.
    """
    found = inputs.find(request.sources, request.listed, request.selection)
    variations = request.drawing.variations
    planned = outputs.plan(found, request.output, request.naming, request.share, variations)
    beside = [path for path in (request.manifest, request.grid) if path is not None]
    files = [of_share(path, request.share) for path in beside]
    outputs.check_beside(found, planned, files, request.naming.existing)
    return planned


def parse_share(text: str | None) -> Share:
    """The share of the work that `2/8` means; without it, a torchrun rank's, or all.

    Raises:
        UsageError: It means none, or torchrun's variables hold no numbers.

    >>> parse_share("2/8")
    Share(number=2, count=8)
    """
    if text is None:
        text = f"{number('RANK', 0) + 1}/{number('WORLD_SIZE', 1)}"
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    share = Share(int(match[1]), int(match[2])) if match else Share(0, 0)
    if not 1 <= share.number <= share.count:
        raise UsageError(f"'{text}' is no share of the work", hint="write --shard 2/8")
    return share


def of_share(path: Path, share: Share) -> Path:
    """A file's name with the share in it, so that several can be written side by side.

    >>> of_share(Path("a.csv"), Share(2, 8)).name
    'a-2-of-8.csv'
    """
    if share.is_whole:
        return path
    return path.with_stem(f"{path.stem}-{share.number}-of-{share.count}")
