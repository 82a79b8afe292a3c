"""The hand-drawn style: what it leaves out, what it keeps, and its strokes."""

import cv2
import numpy as np
import pytest

from sketchcli.assets.demo import draw_pair
from sketchcli.sketching import _sheet, _tone, hand

SIDE = 128
GREY = np.full((SIDE, SIDE), 0.5, np.float32)


def disc(inside, outside, radius=36.0):
    """A photo of a soft-edged disc `(SIDE, SIDE, 3)`; colours are RGB."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    cover = np.clip(radius - np.hypot(x, y) + 0.5, 0, 1)[:, :, None]
    return np.rint(cover * inside + (1 - cover) * outside).astype(np.uint8)


def vignette(colour):
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    return (1 - 0.12 * (x * x + y * y))[:, :, None] * np.array(colour)


def manner(seed=0, **changes):
    from dataclasses import replace

    return replace(_sheet.sample(np.random.default_rng(seed)), **changes)


def straight(length=80):
    """A horizontal chain of full strength."""
    x = np.arange(length) + 20
    return np.stack([x, np.full(length, 64), np.ones(length)], axis=1).astype(np.float32)


@pytest.mark.parametrize("backdrop", [(40, 60, 160), (90, 90, 90), (250, 250, 250), (20, 20, 20)])
def test_a_plain_backdrop_is_left_out_however_dark(backdrop):
    photo = disc((230, 180, 150), vignette(backdrop))
    subject = _tone.find_subject(photo)
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    distance = np.hypot(x, y)
    assert subject[distance < 30].min() > 0.9
    assert subject[distance > 44].max() < 0.1


def test_a_busy_background_is_all_subject():
    photo = np.kron(np.random.default_rng(0).integers(0, 256, (16, 16, 3)), np.ones((8, 8, 1)))
    assert _tone.find_subject(photo.astype(np.uint8)).mean() > 0.95


def test_paper_stays_light_around_a_face_before_a_dark_wall():
    _, photo = draw_pair(2, size=SIDE)
    rim = np.zeros((SIDE, SIDE), bool)
    rim[:8] = True
    dark = photo.copy()
    subject = _tone.find_subject(photo) > 0.5
    dark[~subject] = (20, 30, 70)
    sketches = [hand.draw(dark, np.random.default_rng(seed)) for seed in range(8)]
    assert min(np.median(sketch[rim]) for sketch in sketches) > 200


def test_dark_hair_is_drawn_dark_and_skin_is_left_white_whatever_its_colour():
    for skin in ((240, 200, 170), (110, 75, 55)):
        photo = disc(skin, (150, 160, 170), radius=44)
        photo[24:50, 40:88] = (25, 20, 18)
        toned = [hand.draw(photo, np.random.default_rng(seed)) for seed in range(12)]
        hair = min(sketch[28:46, 46:82].mean() for sketch in toned)
        cheek = np.mean([sketch[60:90, 50:78].mean() for sketch in toned])
        assert hair < 110
        assert cheek > 215


def test_shading_ranges_from_pure_line_to_full_tone():
    _, photo = draw_pair(1, size=SIDE)
    darkness = [255 - hand.draw(photo, np.random.default_rng(s)).mean() for s in range(24)]
    assert max(darkness) > 2 * min(darkness)
    shading = [_sheet.sample(np.random.default_rng(seed)).masses for seed in range(60)]
    assert min(shading) == 0
    assert max(shading) > 0.8


def test_eyes_and_mouth_are_there_in_pure_line_at_128_pixels():
    _, photo = draw_pair(0, size=SIDE)
    seeds = [s for s in range(40) if _sheet.sample(np.random.default_rng(s)).masses == 0]
    light = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32)
    small = cv2.morphologyEx(light, cv2.MORPH_BLACKHAT, np.ones((9, 9), np.uint8))
    middle = (slice(40, 100), slice(40, 88))
    features = small[middle] > 60
    assert features.sum() > 40
    for seed in seeds[:4]:
        sketch = hand.draw(photo, np.random.default_rng(seed))[middle].astype(float)
        assert sketch[features].mean() < sketch[~features].mean() - 60


def test_a_circle_is_followed_between_the_pixels():
    photo = disc((0, 0, 0), (255, 255, 255), radius=40)
    light = photo[:, :, 0].astype(np.float32) / 255
    chains = hand.trace(light, GREY, 0.8, weakest=0.02, share=10)
    longest = max(chains, key=len)
    radii = np.hypot(*(longest[:, :2] - (SIDE - 1) / 2).T)
    assert len(longest) > 200
    assert np.abs(radii - 40).max() < 0.35


def test_a_thin_dark_line_is_drawn_once():
    light = np.full((SIDE, SIDE), 0.9, np.float32)
    light[30:100, 60:62] = 0.2
    chains = [c for c in hand.trace(light, GREY, 0.8, weakest=0.02, share=10) if len(c) > 20]
    assert len(chains) == 1
    assert np.abs(chains[0][5:-5, 0] - 60.5).max() < 0.3


def test_nothing_is_traced_in_faint_noise():
    noise = np.random.default_rng(0).normal(0.5, 0.004, (SIDE, SIDE)).astype(np.float32)
    assert hand.trace(noise, GREY, 0.8, weakest=0.02, share=10) == []


def test_an_outline_that_only_its_colour_shows_is_traced_once():
    flat = np.full((SIDE, SIDE), 0.6, np.float32)
    hue = disc((80, 80, 80), (150, 150, 150), radius=40)[:, :, 0].astype(np.float32) / 255
    points = np.concatenate(hand.trace(flat, hue, 0.8, weakest=0.02, share=10))
    radii = np.hypot(*(points[:, :2] - (SIDE - 1) / 2).T)
    assert len(points) > 200
    assert np.abs(radii - 40).max() < 0.6
    again = hand.trace(hue, hue, 0.8, weakest=0.02, share=10)
    assert sum(map(len, again)) < 1.2 * len(points)


def test_a_corner_ends_a_stroke():
    side = np.stack([np.arange(60), np.zeros(60), np.ones(60)], axis=1)
    down = np.stack([np.full(59, 59), np.arange(1, 60), np.ones(59)], axis=1)
    corner = np.concatenate([side, down]).astype(np.float32)
    corner[:, :2] += 30
    steady = manner(wobble=0, misplacement=0, overshoot=0, gap_distance=1e9, doubled=0)
    strokes = hand.draw_lines([corner], steady, np.random.default_rng(0), 1.0)
    turns = strokes.ends[:, 1] - strokes.ends[:, 0]
    slanted = np.minimum(*np.abs(turns).T) > 0.3
    assert not slanted.any()
    assert np.abs(strokes.ends.reshape(-1, 2) - (89, 30)).max(axis=1).min() < 0.5


def test_strokes_overshoot_break_double_and_wobble_as_they_are_told():
    plain = {"wobble": 0, "misplacement": 0, "overshoot": 0, "gap_distance": 1e9, "doubled": 0}

    def drawn(**changes):
        how = manner(**{**plain, **changes})
        return hand.draw_lines([straight()], how, np.random.default_rng(1), 1.0)

    steady = drawn()
    reach = np.ptp(steady.ends[..., 0])
    assert reach == pytest.approx(79, abs=0.1)
    assert np.ptp(steady.ends[..., 1]) == pytest.approx(0, abs=1e-3)
    assert np.ptp(drawn(overshoot=3).ends[..., 0]) > reach + 1
    assert np.ptp(drawn(wobble=0.5).ends[..., 1]) > 0.5
    lengths = [
        np.hypot(*(s.ends[:, 1] - s.ends[:, 0]).T).sum()
        for s in (drawn(gap_distance=5), steady, drawn(doubled=1.0))
    ]
    assert lengths[0] < lengths[1] - 2
    assert lengths[2] == pytest.approx(2 * lengths[1])


def test_pressure_and_width_vary_along_a_stroke_and_fall_at_its_ends():
    how = manner(gap_distance=1e9, doubled=0)
    for seed in range(5):
        strokes = hand.draw_lines([straight()], how, np.random.default_rng(seed), 1.0)
        middle = np.abs(strokes.ends.mean(axis=1)[:, 0] - 60) < 25
        for values in (strokes.pressures, strokes.widths):
            assert max(values[0], values[-1]) < 0.9 * values[middle].mean()
            assert np.ptp(values[middle]) > 0.02


def test_hatching_is_as_dense_as_the_tone_and_follows_the_direction():
    tone = np.zeros((SIDE, SIDE), np.float32)
    tone[:, :42], tone[:, 42:84] = 0.9, 0.45
    field = np.zeros((SIDE, SIDE, 2), np.float32)
    field[..., 1] = 1
    strokes = _tone.hatch(tone, field, manner(), np.random.default_rng(0), 1.0)
    cover = _sheet.rule(strokes, tone.shape)
    dark, half, white = (
        cover[8:-8, part].mean() for part in (slice(5, 37), slice(47, 79), slice(92, 123))
    )
    assert dark > 1.5 * half > 0.05
    assert white < 0.01
    way = strokes.ends[:, 1] - strokes.ends[:, 0]
    assert np.mean(np.abs(way[:, 1]) > np.abs(way[:, 0]) * 3) > 0.99


def test_hair_is_hatched_along_its_strands():
    light = np.tile(0.2 + 0.1 * np.sin(np.arange(SIDE) * 1.2), (SIDE, 1)).astype(np.float32)
    masses = np.full((SIDE, SIDE), 0.8, np.float32)
    flat = manner(hatch_angle=0.0)
    along = _tone.directions(light, masses, flat, 1.0)
    assert np.abs(along[20:-20, 20:-20, 1]).min() > 0.9
    own = _tone.directions(light, 0 * masses, flat, 1.0)
    assert np.abs(own[..., 0]).min() > 0.99


def test_a_stroke_may_be_narrower_than_a_pixel():
    ends = np.array([[[10, 64], [110, 64]]], np.float32)
    covers = [
        _sheet.rule(
            _sheet.Segments(ends, np.array([width], np.float32), np.full(1, 0.6, np.float32)),
            (SIDE, SIDE),
        )[:, 60].sum()
        for width in (0.5, 1.0, 2.0)
    ]
    assert covers == pytest.approx([0.3, 0.6, 1.2], rel=0.12)
    assert covers[0] < covers[1] < covers[2]


def test_construction_lines_are_there_now_and_then():
    seen = [_sheet.sample(np.random.default_rng(s)).construction > 0 for s in range(200)]
    assert 0.1 < np.mean(seen) < 0.35
