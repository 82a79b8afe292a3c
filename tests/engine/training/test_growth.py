import pytest
import torch

from sketchcli.config import DataConfig
from sketchcli.engine.training.networks import resize_batch, size_at, stages
from sketchcli.errors import UsageError


@pytest.mark.parametrize(
    ("size", "start", "expected"),
    [
        ((128, 128), 0, [(128, 128)]),
        ((128, 128), 200, [(128, 128)]),
        ((96, 512), 32, [(32, 168), (64, 344), (96, 512)]),
        ((50, 40), 32, [(40, 32), (50, 40)]),
    ],
)
def test_the_shorter_side_doubles_and_the_shape_stays(size, start, expected):
    assert stages(size, start) == expected


def test_a_start_that_the_networks_cannot_take_is_refused():
    with pytest.raises(UsageError, match="8 pixels"):
        stages((128, 128), 8)


def test_sizes_share_the_first_part_of_the_run_and_the_rest_is_at_full_size():
    config = DataConfig(grow_from=32, grow_share=0.6)
    seen = [size_at(step / 100, config, (128, 128))[0] for step in range(100)]
    assert [seen.count(side) for side in (32, 64, 128)] == [30, 30, 40]
    assert seen == sorted(seen)


def test_reduced_pixels_are_means_and_sketch_and_photo_stay_together():
    photo = torch.rand(2, 3, 64, 48)
    sketch = photo.mean(dim=1, keepdim=True)
    small_sketch, small_photo = resize_batch(sketch, photo, (32, 24))
    assert small_photo[0, 0, 0, 0] == pytest.approx(photo[0, 0, :2, :2].mean().item())
    torch.testing.assert_close(small_photo.mean(dim=1, keepdim=True), small_sketch)


def test_at_full_size_nothing_changes():
    sketch, photo = torch.rand(1, 1, 40, 32), torch.rand(1, 3, 40, 32)
    assert resize_batch(sketch, photo, (40, 32)) == (sketch, photo)
