from sketchcli.config import AugmentationConfig
from sketchcli.engine.training.session import BATCHES, AdaptiveStrength

CONFIG = AugmentationConfig(adaptive=True, adaptive_target=0.6, adaptive_images=100)


def feed(strength, signs, images=5):
    for sign in signs:
        strength.update(sign, images)
    return strength.value


def test_it_is_full_strength_where_it_does_not_adapt():
    strength = AdaptiveStrength(AugmentationConfig(adaptive=False))
    assert feed(strength, [1.0] * 20) == 1.0


def test_it_grows_while_the_discriminator_overfits_and_shrinks_again():
    strength = AdaptiveStrength(CONFIG)
    assert strength.value == 0.0
    assert feed(strength, [0.9] * (BATCHES - 1)) == 0.0  # not before the fourth
    assert feed(strength, [0.9]) == 0.2  # 4 batches of 5, of 100 images
    assert feed(strength, [0.9] * BATCHES) == 0.4
    assert feed(strength, [0.1] * BATCHES) == 0.2


def test_it_stays_between_nothing_and_everything():
    strength = AdaptiveStrength(CONFIG)
    assert feed(strength, [-1.0] * 40) == 0.0
    assert feed(strength, [1.0] * 400) == 1.0


def test_the_mean_of_four_batches_decides():
    assert feed(AdaptiveStrength(CONFIG), [1.0, 1.0, 1.0, -1.0]) == 0.0  # mean .5
    assert feed(AdaptiveStrength(CONFIG), [1.0, 1.0, 1.0, 0.0]) > 0.0  # mean .75


def test_it_goes_on_between_two_adjustments():
    whole, half = AdaptiveStrength(CONFIG), AdaptiveStrength(CONFIG)
    signs = [0.9, 0.2, 0.8, 0.7, 0.9, 0.9]
    feed(whole, signs)
    feed(half, signs[:2])
    other = AdaptiveStrength(CONFIG, **half.state())
    feed(other, signs[2:])
    assert other.state() == whole.state()
