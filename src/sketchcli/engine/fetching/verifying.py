"""`fetch-data --verify`: whether a set is still what it was when it was fetched."""

from sketchcli import paths
from sketchcli.engine import runs
from sketchcli.engine.events import SILENT, Reporter
from sketchcli.engine.fetching import inventory
from sketchcli.engine.results import VerifyResult
from sketchcli.errors import DataError


def verify(name: str, reporter: Reporter = SILENT) -> VerifyResult:
    """Compare the files of a fetched set or network with the hashes that were recorded then.

    Args:
        name: The set's or network's name.
        reporter: Told of the progress.

    Raises:
        DataError: It is not there, has no hashes, or has missing, changed or extra files.
    """
    rooms = (paths.raw_home(), paths.assets_home())
    folders = [room / paths.checked_name(name) for room in rooms]
    folder = next(filter(runs.is_fetched, folders), None)
    again = f"sketch2img fetch-data {runs.read(folder).asset if folder else name}"
    if folder is None:
        raise DataError(f"'{name}' is not fetched yet", hint=again)
    hashes = inventory.read(folder)
    if hashes is None:
        raise DataError(f"{folder}: no hashes were recorded", hint=f"{again} --overwrite")
    differences = inventory.compare(folder, hashes, reporter)
    if str(differences):
        raise DataError(f"{folder}: {differences}", hint=f"{again} --overwrite fetches it again")
    return VerifyResult(name, folder, len(hashes))
