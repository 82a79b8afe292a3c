"""Drawn pictures, measured by hand, as an evaluation would leave them."""

import functools
import shutil
import subprocess
from dataclasses import dataclass, field

import numpy as np
import pytest

from sketchcli import images
from sketchcli.assets.demo import draw_pair
from sketchcli.engine.evaluating.features import Candidate, Measured, Reference
from sketchcli.engine.reporting import evaluation_report
from sketchcli.engine.reporting.evidence import Evidence
from sketchcli.engine.results import EvalResult, Figure, MetricInfo, PredictorScore
from sketchcli.metrics.faces import roc

METRICS = {
    "mae": MetricInfo("MAE", "lower", "mean of |generated - real|, 0-255"),
    "ssim": MetricInfo("SSIM", "higher", "7x7 uniform window"),
    "lpips-alex": MetricInfo("LPIPS (AlexNet)", "lower", "LPIPS v0.1"),
}
LEVELS = {"mae": (24, 36), "ssim": (0.74, 0.6), "lpips-alex": (0.12, 0.3)}  # good, poor

drawn_pair = functools.cache(draw_pair)


@dataclass
class Drawn:
    """Pictures by row, which count how often they are asked for."""

    count: int
    size: int = 32
    reads: list = field(default_factory=list)

    def pair(self, row):
        return drawn_pair(row % 12, size=self.size)

    def photos(self, rows):
        return self._read("photo", rows, lambda row: self.pair(row)[1])

    def sketches(self, rows):
        return self._read("sketch", rows, lambda row: images.to_rgb(self.pair(row)[0]))

    def generated(self, name, seed):
        def draw(row):
            noise = np.random.default_rng((seed, row)).normal(0, 25, (self.size, self.size, 3))
            return np.clip(self.pair(row)[1] + noise, 0, 255).astype(np.uint8)

        return lambda rows: self._read(name, rows, draw)

    def _read(self, what, rows, draw):
        assert len(rows) <= 16
        self.reads.append((what, rows))
        return np.stack([draw(row) for row in rows])


def figure(values, rank):
    """The mean of the values that there are, with an interval of twice its error."""
    known = values[np.isfinite(values)]
    if not len(known):
        return Figure(None, None, None, 0, None)
    mean, reach = known.mean(), 2 * known.std() / max(1, len(known)) ** 0.5
    return Figure(float(mean), float(mean - reach), float(mean + reach), len(known), rank)


@pytest.fixture
def evaluation():
    """Make a result and its evidence: `modern` is good, `mean photo` a poor baseline."""

    def make(count=50, *, size=32, kinds=None, has_sketches=True, ids=None, metrics=METRICS):
        kinds = kinds or {"modern": "model", "mean photo": "baseline"}
        drawn, random = Drawn(count, size), np.random.default_rng(0)
        reference = Reference(
            "cuhk (test)",
            tuple(ids or (f"face-{row}" for row in range(count))),
            (size, size),
            drawn.photos,
            drawn.sketches if has_sketches else None,
        )
        predictors, measured, scores, rocs = [], [], [], {}
        faces = random.normal(size=(min(count, 60), 16))
        for seed, (name, kind) in enumerate(kinds.items()):
            level = int(kind == "baseline")
            values = {
                metric: random.normal(LEVELS[metric][level], LEVELS[metric][0] / 8, count)
                for metric in metrics
            }
            predictors.append(Candidate(name, kind, drawn.generated(name, seed)))
            measured.append(Measured(values, {}, np.zeros((count, 16, 16, 3), np.uint8)))
            found = {metric: figure(column, level + 1) for metric, column in values.items()}
            scores.append(PredictorScore(name, kind, found))
            rocs[name] = roc(faces + random.normal(scale=1 + 3 * level, size=faces.shape), faces)
        result = EvalResult(
            "cuhk (test)",
            count,
            (size, size),
            dict(metrics),
            tuple(scores),
            {"kid": "sketch2img fetch-data fid-inception"},
            (),
            {"command": "sketch2img eval", "resize": "INTER_AREA"},
        )
        evidence = Evidence(reference, tuple(predictors), tuple(measured), rocs)
        return result, evidence, drawn

    return make


@pytest.fixture
def written(tmp_path):
    """Write a report, and read it."""

    def write(result, evidence):
        evaluation_report.write(tmp_path, result, evidence)
        return (tmp_path / evaluation_report.NAME).read_text(encoding="utf-8")

    return write


@pytest.fixture
def chromium(tmp_path):
    """Run a headless browser on a file; what it prints, and what it complains of."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no chromium on this machine")

    def run(page, *options):
        command = [
            program,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
            "--virtual-time-budget=3000",
            f"--user-data-dir={tmp_path / 'profile'}",
            *options,
            page.as_uri(),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]

    return run
