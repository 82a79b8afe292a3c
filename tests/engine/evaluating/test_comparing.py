"""What is warned of, and what never speaks for a model."""

from types import SimpleNamespace

from sketchcli.engine.evaluating import evaluate
from sketchcli.engine.evaluating.features import HEADLINE
from sketchcli.engine.reporting import evidence
from sketchcli.metrics import inception, structural


def test_fid_of_few_pictures_is_warned_of_and_never_leads():
    tools = SimpleNamespace(
        metrics={
            "fid": inception.ENTRIES["fid"],
            "kid": inception.ENTRIES["kid"],
            "ssim": structural.ENTRIES["ssim"],
        }
    )
    (warning,) = evaluate._few(range(100), tools)
    assert warning.startswith("FID on 100 images is biased upwards, because")
    assert "fewer than 2048" in warning
    assert evaluate._few(range(2048), tools) == []
    assert "fid" not in {*evidence.LEADING, *HEADLINE}
    assert "kid" in HEADLINE
    scores = [SimpleNamespace(figures={"fid": SimpleNamespace(count=100)})]
    assert evaluate._info("fid", inception.ENTRIES["fid"], scores).title == "FID of 100"
