"""What `train` falls back on where nothing is prepared: the drawn set, small."""

from pathlib import Path

from sketchcli import paths
from sketchcli.data.prepared import PreparedSet
from sketchcli.engine.events import SILENT, Note, Reporter
from sketchcli.engine.fetching.fetch import FetchConfig, fetch
from sketchcli.engine.lookup import Inputs, find_prepared, find_source, prepared_folders
from sketchcli.engine.preprocessing.pair_maker import Recipe
from sketchcli.engine.preprocessing.preprocess import PreprocessConfig, preprocess
from sketchcli.machine import Place

NAME = "demo"
SIDE, PAIRS = 64, 200


def set_to_train(name: Path | None, reporter: Reporter = SILENT) -> PreparedSet:
    """The named prepared set, else the newest, else the demo set.

    Raises:
        DataError: There is no set of that name.
    """
    if name is None and not prepared_folders():
        return demo_set(reporter)
    return find_prepared(name)


def demo_set(reporter: Reporter = SILENT) -> PreparedSet:
    """Draw the demo set, unless it is there, and prepare it at 64 pixels."""
    reporter(Note("nothing is prepared: training on the drawn demo set"))
    raw = paths.raw_home() / NAME
    if not raw.exists():
        fetch(FetchConfig(NAME, count=PAIRS, size=SIDE), reporter=reporter)
    target = paths.prepared_home() / f"{NAME}-{SIDE}"
    config = PreprocessConfig(
        Recipe((SIDE, SIDE)), command=f"sketch2img preprocess {NAME} --size {SIDE}"
    )
    alone = Place()  # where several processes train, the first one makes the set by itself
    preprocess(*find_source(Inputs(raw)), config, target=target, reporter=reporter, place=alone)
    return find_prepared(target)
