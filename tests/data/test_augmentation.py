from dataclasses import replace

import pytest
import torch

from sketchcli.config.settings import NO_AUGMENTATION, AugmentationConfig
from sketchcli.data import batches
from sketchcli.data.batches import DiscriminatorAugmentation, augment_pairs, vary_pencil, warp_grid

DEFAULT = AugmentationConfig()
GEOMETRY = {"flip": True, "rotation": 8.0, "scale": 0.1, "shift": 0.1, "elastic": 0.02}


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(count=4, channels=1, height=24, width=20):
    return torch.rand(count, channels, height, width, generator=draws(9)) * 2 - 1


def pairs(count=4):
    return pictures(count), pictures(count, channels=3)


def only(**amounts):
    return replace(NO_AUGMENTATION, **amounts)


@pytest.mark.parametrize(
    "config",
    [only(**GEOMETRY), *(only(**{name: amount}) for name, amount in GEOMETRY.items())],
    ids=["all", *GEOMETRY],
)
def test_sketch_and_photo_move_together(config):
    sketch = pictures(8)
    moved, photo = augment_pairs(sketch, sketch.expand(-1, 3, -1, -1), config, draws())
    assert not torch.allclose(moved, sketch, atol=1e-3)
    for channel in range(3):
        assert torch.equal(photo[:, channel : channel + 1], moved)


def test_nothing_changes_when_all_amounts_are_zero():
    sketch, photo = pairs()
    same = augment_pairs(sketch, photo, NO_AUGMENTATION, draws())
    assert torch.equal(same[0], sketch)
    assert torch.equal(same[1], photo)


def test_the_pencil_changes_the_sketch_alone():
    sketch, photo = pairs()
    changed, same = augment_pairs(sketch, photo, only(sketch_contrast=0.3), draws())
    assert torch.equal(same, photo)
    assert not torch.allclose(changed, sketch, atol=1e-3)


def test_the_seed_decides_everything():
    first, again, other = (augment_pairs(*pairs(), DEFAULT, draws(s)) for s in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_every_pair_of_a_batch_is_changed_in_its_own_way():
    sketch, photo = (pixels[:1].expand(6, -1, -1, -1) for pixels in pairs())
    for changed in augment_pairs(sketch, photo, DEFAULT, draws()):
        assert len({picture.numpy().tobytes() for picture in changed}) == 6


def test_the_range_and_the_shape_stay():
    sketch, photo = (pixels.sign() for pixels in pairs(16))
    strong = AugmentationConfig(rotation=40, scale=0.4, shift=0.4, elastic=0.1, sketch_contrast=0.9)
    for changed, before in zip(
        augment_pairs(sketch, photo, strong, draws()), (sketch, photo), strict=True
    ):
        assert changed.shape == before.shape
        assert changed.abs().max() <= 1 + 1e-6


def test_about_half_of_the_pairs_are_flipped_and_the_others_are_untouched():
    sketch, photo = (pixels[:1].expand(200, -1, -1, -1) for pixels in pairs())
    flipped, _ = augment_pairs(sketch, photo, only(flip=True), draws())
    is_flipped = [torch.allclose(picture, sketch[0].flip(-1), atol=1e-4) for picture in flipped]
    is_same = [torch.allclose(picture, sketch[0], atol=1e-4) for picture in flipped]
    assert sum(is_flipped) + sum(is_same) == 200
    assert 70 < sum(is_flipped) < 130


def steps_of(config, height=24, width=16, count=32):
    """How far the source moves, in pixels, for a step right and a step down: two `(B, 2)`."""
    grid = warp_grid(torch.Size([count, 4, height, width]), config, draws())
    pixels = grid * torch.tensor([width, height]) / 2
    return pixels[:, 0, 1] - pixels[:, 0, 0], pixels[:, 1, 0] - pixels[:, 0, 0]


def test_turning_neither_shears_nor_stretches_an_oblong_picture():
    right, down = steps_of(only(rotation=45.0))
    torch.testing.assert_close((right * down).sum(dim=1), torch.zeros(32), atol=1e-4, rtol=0)
    torch.testing.assert_close(right.norm(dim=1), torch.ones(32))
    torch.testing.assert_close(down.norm(dim=1), torch.ones(32))


def test_the_angle_is_in_degrees_and_goes_both_ways():
    right, _ = steps_of(only(rotation=45.0))
    angles = torch.atan2(right[:, 1], right[:, 0]).rad2deg()
    assert 30 < angles.max() <= 45
    assert -45 <= angles.min() < -30


def test_the_scale_goes_both_ways():
    right, down = steps_of(only(scale=0.2))
    zoom = right.norm(dim=1)
    torch.testing.assert_close(down.norm(dim=1), zoom)
    assert 1.1 < zoom.max() <= 1.2001
    assert 0.7999 <= zoom.min() < 0.9


def test_the_shift_is_a_share_of_the_pictures_size():
    shape = torch.Size([64, 4, 24, 16])
    moved = warp_grid(shape, only(shift=0.25), draws()) - warp_grid(shape, only(), draws())
    share = moved[:, 0, 0] / 2  # the grid spans [-1, 1]
    assert (moved == moved[:, :1, :1]).all() or torch.allclose(moved, moved[:, :1, :1], atol=1e-5)
    assert 0.2 < share.max() <= 0.2501
    assert -0.2501 <= share.min() < -0.2


def test_a_harder_pencil_is_darker_and_white_paper_may_stay_white():
    sketch = torch.tensor([1.0, 0.0]).view(1, 1, 1, 2).expand(64, -1, -1, -1)
    paper, stroke = vary_pencil(sketch, 0.5, draws()).flatten(1).unbind(dim=1)
    assert paper.max() == 1
    assert paper.min() >= 0.8 - 1e-6
    assert stroke.min() < -0.2
    assert stroke.max() > 0.2


@pytest.fixture
def view():
    return DiscriminatorAugmentation(torch.Size([4, 3, 24, 20]), draws())


def test_real_and_generated_photos_get_the_same_draw(view):
    sketch, real = pairs()
    fake = -real
    (real_sketch, real_seen), (fake_sketch, fake_seen) = view(sketch, real), view(sketch, fake)
    assert torch.equal(real_sketch, fake_sketch)
    assert torch.equal(view(sketch, real)[1], real_seen)
    hidden = real_seen == 0
    assert hidden.any()
    assert torch.equal(hidden, fake_seen == 0)
    brightness = (real_seen + fake_seen) / 2  # contrast is symmetric: what is left is brightness
    for picture, is_hidden in zip(brightness, hidden, strict=True):
        assert picture[~is_hidden].std() < 1e-5


def test_sketch_and_photo_are_shifted_and_cut_out_together(view):
    sketch, photo = pairs()
    seen_sketch, seen_photo = view(sketch, photo)
    assert torch.equal(seen_photo == 0, (seen_sketch == 0).expand(-1, 3, -1, -1))


def test_a_drawn_view_is_differentiable(view):
    sketch, photo = pairs()
    photo.requires_grad_()
    view(sketch, photo)[1].square().sum().backward()
    assert photo.grad.isfinite().all()
    assert all((picture != 0).float().mean() > 0.3 for picture in photo.grad)


def test_every_picture_of_a_batch_has_its_own_view(view):
    sketch, photo = (pixels[:1].expand(4, -1, -1, -1) for pixels in pairs())
    for seen in view(sketch, photo):
        assert len({picture.numpy().tobytes() for picture in seen}) == 4


def test_a_view_leaves_the_photos_as_they_are_and_follows_the_seed(view):
    sketch, photo = pairs()
    copy = photo.clone()
    seen = view(sketch, photo)[1]
    assert torch.equal(photo, copy)
    again, other = (DiscriminatorAugmentation(photo.shape, draws(seed)) for seed in (0, 1))
    assert torch.equal(again(sketch, photo)[1], seen)
    assert not torch.equal(other(sketch, photo)[1], seen)


SKETCHING = ("stroke", "contrast", "gamma", "tone", "erasure", "noise")


@pytest.mark.parametrize("kind", SKETCHING)
def test_roughening_changes_the_sketch_alone_and_stays_in_range(kind):
    sketch, photo = pairs()
    config = replace(NO_AUGMENTATION, **{f"sketch_{kind}": 0.8})
    changed, same = augment_pairs(sketch, photo, config, draws())
    assert torch.equal(same, photo)
    assert not torch.equal(changed, sketch)
    assert changed.shape == sketch.shape
    assert changed.abs().max() <= 1
    again, _ = augment_pairs(sketch, photo, config, draws())
    assert torch.equal(changed, again)


def test_what_has_no_amount_draws_nothing():
    random = draws()
    sketch, photo = pairs()
    same = augment_pairs(sketch, photo, NO_AUGMENTATION, random)
    assert same[0] is sketch
    assert same[1] is photo
    assert torch.equal(random.get_state(), draws().get_state())


def test_strokes_get_thicker_or_thinner_by_a_pixel_at_most():
    sketch = torch.ones(40, 1, 9, 9)
    sketch[:, :, 4, :] = -1  # a line
    changed = batches.vary_strokes(sketch, 1.0, draws())
    assert (changed[:, :, :3] == 1).all()
    assert (changed[:, :, 6:] == 1).all()
    darkness = (1 - changed).sum(dim=(1, 2, 3))
    line = (1 - sketch[0]).sum()
    assert (darkness > line).any()
    assert (darkness < line).any()


def test_midtones_move_while_paper_and_black_stay():
    ramp = torch.linspace(-1, 1, 11).view(1, 1, 1, 11).repeat(30, 1, 1, 1)
    changed = batches.vary_midtones(ramp, 0.5, draws())
    torch.testing.assert_close(changed[..., 0], ramp[..., 0])
    torch.testing.assert_close(changed[..., -1], ramp[..., -1], atol=0.02, rtol=0)
    assert changed[..., 5].std() > 0.1
    assert (changed.diff(dim=-1) > 0).all()


def test_the_share_of_rubbed_sketches_is_what_was_asked_for():
    sketch = -torch.ones(400, 1, 32, 32)
    changed = batches.rub_out(sketch, 0.25, draws())
    is_rubbed = (changed > -1).flatten(1).any(dim=1)
    assert 0.15 < is_rubbed.float().mean() < 0.35


def test_a_jittered_window_is_a_piece_of_the_enlarged_pair():
    rows = torch.linspace(-1, 1, 32).view(1, 1, 32, 1).expand(50, 1, 32, 32)
    config = replace(NO_AUGMENTATION, jitter=0.25)
    moved, photo = augment_pairs(rows, rows.expand(-1, 3, -1, -1), config, draws())
    slope = (moved[:, 0, 20, 16] - moved[:, 0, 12, 16]) / (rows[:, 0, 20, 16] - rows[:, 0, 12, 16])
    torch.testing.assert_close(slope, torch.full((50,), 0.8), atol=0.02, rtol=0)
    centre = moved[:, 0, 16, 16]
    assert centre.max() - centre.min() > 0.25  # windows lie all over
    torch.testing.assert_close(photo[:, :1], moved)


def test_mixed_pairs_are_blends_of_two_along_one_mask():
    values = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1)
    sketch, photo = values.expand(2, 1, 64, 64), values.expand(2, 3, 64, 64)
    config = replace(NO_AUGMENTATION, mixing=1.0)
    blended = [augment_pairs(sketch, photo, config, draws(seed)) for seed in range(8)]
    for mixed_sketch, mixed_photo in blended:
        torch.testing.assert_close(mixed_photo[:, :1], mixed_sketch)
        assert mixed_sketch.min() >= 0
        assert mixed_sketch.max() <= 1
    spreads = [mixed[0].std() for mixed, _ in blended]
    assert max(spreads) > 0.2  # parts of both in one picture
    assert max(mixed.diff(dim=-1).abs().max() for mixed, _ in blended) < 0.3  # and no seam


def test_no_strength_leaves_the_discriminators_view_as_it_is():
    sketch, photo = pairs()
    view = DiscriminatorAugmentation(photo.shape, draws(), strength=0.0)
    seen = view(sketch, photo)
    torch.testing.assert_close(seen[0], sketch)
    torch.testing.assert_close(seen[1], photo)


def test_strength_is_the_share_of_pictures_that_are_changed():
    photo = pictures(400, channels=3)
    view = DiscriminatorAugmentation(photo.shape, draws(), strength=0.3)
    assert 0.2 < (view.brightness != 0).float().mean() < 0.4
    assert 0.2 < (view.contrast != 1).float().mean() < 0.4


def test_part_of_a_view_is_the_view_of_that_part():
    sketch, photo = pairs(6)
    view = DiscriminatorAugmentation(photo.shape, draws())
    whole, part = view(sketch, photo), view.rows(2, 5)(sketch[2:5], photo[2:5])
    assert torch.equal(whole[0][2:5], part[0])
    assert torch.equal(whole[1][2:5], part[1])
