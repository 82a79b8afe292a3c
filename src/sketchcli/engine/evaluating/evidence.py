"""What the report, the plots and the table are made of, beside the figures themselves."""

from dataclasses import dataclass

import numpy as np

from sketchcli.engine.evaluating.measuring import Measured, Predictor, Truth, Values
from sketchcli.metrics.faces import Roc

BINS = 30


@dataclass(frozen=True, eq=False)
class Evidence:
    """The measured pictures; all in the same order as the scores of the result.

    Args:
        truth: The real photos, and their sketches where there are any.
        predictors: Whose pictures were measured.
        measured: What was measured of them; a value may be NaN.
        rocs: Predictor's name -> its verification curve; may be empty.
    """

    truth: Truth
    predictors: tuple[Predictor, ...]
    measured: tuple[Measured, ...]
    rocs: dict[str, Roc]

    @property
    def metrics(self) -> list[str]:
        """All metrics that have one value for each picture."""
        return list(dict.fromkeys(name for one in self.measured for name in one.values))

    def finite(self, predictor: int, metric: str) -> Values:
        """A predictor's values, without the pictures that have none."""
        values = self.measured[predictor].values.get(metric, np.empty(0))
        return values[np.isfinite(values)]

    def edges(self, metric: str) -> Values:
        """Where the bins `(31,)` of a metric's histogram begin and end, for all predictors alike.

        Empty where no picture has a value.
        """
        found = [self.finite(index, metric) for index in range(len(self.predictors))]
        values = np.concatenate(found)
        return np.histogram_bin_edges(values, BINS) if len(values) else np.empty(0)
