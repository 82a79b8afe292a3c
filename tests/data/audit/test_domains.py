"""The audit of pairs that are no sketches: label maps, maps, night and day."""

import numpy as np
import pytest

from sketchcli import images
from sketchcli.config.domains import Domain, Domains
from sketchcli.data.audit.findings import examine
from sketchcli.data.audit.records import FEATURES, describe
from sketchcli.data.audit.terms import Audit, Finding
from sketchcli.data.prepared import Pair

CHANNELS = [(3, 3), (1, 3), (1, 1), (3, 1)]
LUMA_200 = [(240, 190, 140), (170, 222, 166), (225, 190, 182)]  # colours whose luma is 199 or 200


def rows(audit: Audit, kind: str) -> set[int | None]:
    return {finding.pair for finding in audit.findings if finding.kind == kind}


def only(audit: Audit, kind: str) -> Finding:
    assert [finding.kind for finding in audit.findings] == [kind]
    return audit.findings[0]


def notes(audit: Audit) -> str:
    return " | ".join(check.note for check in audit.checks)


def to_aerial(channels=(3, 3)):
    return Domains(Domain("map", channels[0]), Domain("aerial photo", channels[1]))


@pytest.mark.parametrize("channels", CHANNELS)
def test_good_map_pairs_are_left_in_peace(maps, channels):
    assert maps(channels).audit(domains=to_aerial(channels)).findings == ()


@pytest.mark.parametrize("channels", CHANNELS)
def test_wrong_map_pairs_are_found_and_named_as_maps(maps, channels):
    pairs = maps(channels)
    pairs.photos[3], pairs.photos[10] = pairs.photos[10], pairs.photos[3]
    audit = pairs.audit(domains=to_aerial(channels))
    assert {(f.kind, f.pair, f.other) for f in audit.findings} == {
        ("wrong-pair", 3, 10),
        ("wrong-pair", 10, 3),
    }
    assert all("the map fits the aerial photo of" in f.message for f in audit.findings)
    pairs.photos = pairs.photos[1:] + pairs.photos[:1]
    first = pairs.audit(domains=to_aerial(channels)).findings[0]
    assert first.kind == "mispaired-set"
    assert "maps fit another pair's aerial photo better" in first.message


def test_maps_of_one_region_are_neither_wrong_nor_moved_however_noisy_the_file(maps):
    pairs, random = maps(), np.random.default_rng(0)
    for row in range(0, 60, 6):
        noise = random.integers(-2, 3, pairs.sketches[row].shape)
        pairs.sketches[row] = (pairs.sketches[row] + noise).astype(np.uint8)
    audit = pairs.audit(domains=to_aerial())
    assert audit.findings == ()
    assert "10 pairs with few outlines were not judged" in notes(audit)


def test_a_moved_day_is_found(maps):
    pairs = maps()
    pairs.sketches = [photo // 4 for photo in pairs.photos]  # dark at the border, and all over
    pairs.photos[4] = np.roll(pairs.photos[4], 9, axis=1)
    audit = pairs.audit(domains=Domains(Domain("night", 3), Domain("day", 3)))
    finding = only(audit, "misaligned")
    assert finding.pair == 4
    assert "the day image is shifted against its night image by" in finding.message
    assert "night images are not sketches" in notes(audit)


def test_a_blank_photo_is_found_beside_a_plain_map(maps):
    pairs = maps()
    pairs.photos[6] = np.full_like(pairs.photos[6], 40)
    audit = pairs.audit(domains=to_aerial())
    assert "the aerial photo is blank" in only(audit, "blank").message
    assert "Not checked: maps, which may be of one colour" in notes(audit)


def test_parts_of_one_luma_are_told_apart_by_their_colour(maps):
    pairs = maps()
    for row, sketch in enumerate(pairs.sketches):
        part = (sketch[..., 2].astype(int) // 20) % 3  # one number for each kind of region
        pairs.sketches[row] = np.array(LUMA_200, np.uint8)[part]
    assert max(np.ptp(images.luma(sketch)) for sketch in pairs.sketches) <= 1
    assert pairs.audit(domains=to_aerial()).findings == ()
    pairs.photos[3], pairs.photos[10] = pairs.photos[10], pairs.photos[3]
    assert rows(pairs.audit(domains=to_aerial()), "wrong-pair") == {3, 10}


def test_maps_alike_are_no_copies_but_copied_pairs_are(maps):
    pairs = maps()
    for row in range(1, 60):  # one straight road, by nature the same in many tiles
        pairs.sketches[row] = np.full_like(pairs.sketches[row], 230)
        pairs.sketches[row][:, 40 + row % 2 : 44 + row % 2] = 255
    pairs.splits = dict.fromkeys(range(30, 60), "test")
    kinds = {"leakage", "near-duplicate"}
    assert not kinds & set(pairs.audit(domains=to_aerial()).counts)
    pairs = maps()
    pairs.splits[31] = "test"
    for pictures in (pairs.sketches, pairs.photos):
        pictures[31] = np.clip(pictures[1].astype(int) - 5, 0, 255).astype(np.uint8)
    found = pairs.audit(domains=to_aerial()).findings
    assert [(f.kind, f.pair, f.other) for f in found] == [("leakage", 1, 31)] * 2
    said = " | ".join(finding.message for finding in found)
    assert "the same aerial photo occurs 2 times in" in said
    assert "the same map occurs 2 times in" in said


def test_only_the_very_photo_counts_as_the_same_picture(maps):
    pairs = maps()
    pairs.sketches[2] = pairs.photos[2]
    finding = only(pairs.audit(domains=to_aerial()), "same-picture")
    assert "the map is the aerial photo itself" in finding.message
    pairs = maps()
    pairs.sketches = [images.luma(photo) for photo in pairs.photos]
    audit = pairs.audit(domains=Domains(Domain("grey photo", 1), Domain("colour photo", 3)))
    assert audit.findings == ()
    assert "grey photos and colour photos may differ by their colours alone" in notes(audit)


def test_grey_maps_without_a_name_bring_one_hint_at_the_name(maps, scene):
    audit = maps((1, 3)).audit()
    assert {"blank", "low-contrast"} <= set(audit.counts)
    assert notes(audit).count("--input-name") == 1
    faint = scene()
    faint.sketches[:2] = [200 + sketch // 8 for sketch in faint.sketches[:2]]
    assert "--input-name" not in notes(faint.audit())
    faint = scene()
    faint.sketches = [200 + sketch // 8 for sketch in faint.sketches]
    assert "--input-name 'label map'" in only(faint.audit(), "low-contrast").message


def test_tiny_maps_are_named_as_maps(maps):
    pairs = maps()
    for row in range(60):
        pairs.sources["sketch", row] = np.zeros((32, 32, 3), np.uint8)
    finding = only(pairs.audit(domains=to_aerial()), "enlarged")
    assert finding.message.startswith("60 of 60 maps are tiny")


@pytest.mark.shared
def test_of_500_facades_four_are_doubted_and_swaps_are_found(shared):
    """Before label maps were known, all were tinted and two misaligned."""
    files = sorted((shared / "facades").glob("*.jpg"))
    both = [images.resize(images.read_rgb(file), (128, 256)) for file in files]
    sides = [(each[:, 128:], each[:, :128]) for each in both]
    names = [Pair(file.stem, "train", "", str(file), str(file)) for file in files]
    swapped = np.arange(500).reshape(-1, 2)[:, ::-1].ravel()
    for channels in ((3, 3), (1, 1)):
        grey = [(images.luma(label), images.luma(photo)) for label, photo in sides]
        stored = sides if channels == (3, 3) else grey
        records = [describe(*side, *kept) for side, kept in zip(sides, stored, strict=True)]
        features = np.array(records, FEATURES)
        domains = Domains(Domain("label map", channels[0]), Domain("photo", channels[1]))
        audit = examine(features, names, is_drawn=False, domains=domains)
        assert audit.counts == {"wrong-pair": 1, "weak-pair": 3}
        features["photo"][:40] = features["photo"][swapped[:40]]
        found = rows(examine(features, names, is_drawn=False, domains=domains), "wrong-pair")
        assert len(found & set(range(40))) >= 34
        assert len(found - set(range(40))) <= 8


def test_class_numbers_are_not_taken_for_grey_levels(maps):
    pairs = maps((1, 3))
    pairs.sketches = [sketch // 20 for sketch in pairs.sketches]  # 0 to 12, as masks store them
    message = only(pairs.audit(domains=to_aerial((1, 3))), "low-contrast").message
    assert "save them with a palette" in message
