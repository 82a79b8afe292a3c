"""What `train` falls back on where nothing is prepared: the drawn set, small."""

from sketchcli import paths
from sketchcli.data import sources
from sketchcli.data.prepared import PreparedSet
from sketchcli.engine import provenance
from sketchcli.engine.events import SILENT, Note, Reporter
from sketchcli.engine.fetching import FetchConfig, fetch
from sketchcli.engine.preprocessing import PreprocessConfig, find_prepared, preprocess

NAME = "demo"
SIDE, PAIRS = 64, 200


def demo_set(reporter: Reporter = SILENT) -> PreparedSet:
    """Draw the demo set, unless it is there, and prepare it at 64 pixels."""
    reporter(Note("nothing is prepared: training on the drawn demo set"))
    raw = paths.raw_home() / NAME
    if not raw.exists():
        fetch(FetchConfig(NAME, count=PAIRS, size=SIDE), reporter=reporter)
    target = paths.prepared_home() / f"{NAME}-{SIDE}"
    config = PreprocessConfig(size=(SIDE, SIDE), command=f"sketch2img preprocess {NAME}")
    preprocess(sources.tree(raw), provenance.read(raw), config, target=target, reporter=reporter)
    return find_prepared(target)
