"""The ranks of one `generate`, as `torchrun` starts them: none of them ends before the others.

torchrun stops every rank as soon as one ends with another code than 0. With a bad file in one
share, the others would be left half done.
"""

import datetime as dt
import os
import time

from sketchcli.engine.results import GenerateResult
from sketchcli.errors import ExitCode, LostProcessError
from sketchcli.machine import number

STARTED_BY_TORCHRUN = "TORCHELASTIC_RUN_ID"  # a variable that it sets for its ranks
LONGEST = dt.timedelta(days=7)  # that a rank waits for another one's share
PAUSE = 0.1  # seconds between two looks: Ctrl-C is heard in between


def exit_code(result: GenerateResult) -> ExitCode:
    """0, 7 where some files failed, 3 where all did; under torchrun, of all ranks' files.

    Raises:
        LostProcessError: Another rank has ended before its share was done.
    """
    failed, count = len(result.failed), len(result.files)
    if STARTED_BY_TORCHRUN in os.environ and number("WORLD_SIZE", 1) > 1:
        failed, count = _of_all(failed, count)
    if not failed:
        return ExitCode.OK
    return ExitCode.DATA if failed == count else ExitCode.SOME_FILES_FAILED


def _of_all(*counts: int) -> list[int]:
    """The sum of each count over all ranks, when all are done."""
    import torch  # noqa: PLC0415 - heavy, and needed under torchrun alone
    from torch import distributed as dist  # noqa: PLC0415

    sums = torch.tensor(counts)
    try:
        dist.init_process_group("gloo", timeout=LONGEST)
        work = dist.all_reduce(sums, async_op=True)
        while not work.is_completed():
            time.sleep(PAUSE)
        work.wait()
        dist.destroy_process_group()
    except (RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise LostProcessError(
            f"another process of torchrun's is lost: {reason}",
            hint="--skip-existing, without torchrun, finishes what is missing",
        ) from error
    return [int(total) for total in sums]
