"""What two processes check of their working together: each says so at its end."""

import os

import torch

from sketchcli.engine.training.distributed import Ranks, joined
from sketchcli.machine import ProcessRank


def check_figures(ranks: Ranks) -> None:
    own = float(ranks.rank)
    assert ranks.mean({"a": own, "b": 2.0}) == {"a": 0.5, "b": 2.0}
    assert ranks.as_first({"a": own + 7}) == {"a": 7.0}
    assert (ranks.any(own == 1), ranks.any(answer=False)) == (True, False)
    assert (ranks.all(own == 1), ranks.all(answer=True)) == (False, True)
    assert ranks.text_of_first(f"läufe/{ranks.rank}") == "läufe/0"
    assert ranks.text_of_first("" if ranks.is_first else "other") == ""
    assert ranks.first_before_others(lambda: ranks.rank) == ranks.rank


if __name__ == "__main__":
    with joined(ProcessRank.from_environment(), torch.device("cpu")) as processes:
        assert processes.count == 2
        check_figures(processes)
    print("all of both", flush=True)  # noqa: T201
    os._exit(0)  # as the program does: Python's own end might abort where gloo's threads still run
