"""A run's folder."""

from sketchcli.engine.runs import Run


def test_samples_are_in_the_order_of_their_epochs_beyond_four_digits(tmp_path):
    run = Run(tmp_path)
    run.samples.mkdir()
    for epoch in (10_000, 20, 9_990):
        (run.samples / f"epoch-{epoch:04d}.png").touch()
    found = [path.stem for path in run.sampled()]
    assert found == ["epoch-0020", "epoch-9990", "epoch-10000"]
