"""What inputs and targets are: channels, names and both directions."""

import dataclasses
import shutil

import cv2
import numpy as np
import pytest

from sketchcli import images
from sketchcli.assets.demo import draw_pair
from sketchcli.config import PHOTO, SKETCH, Direction, Domain, Domains
from sketchcli.data import colour, prepared, sources
from sketchcli.data.splits import SplitRule
from sketchcli.engine.events import SILENT
from sketchcli.engine.lookup import find_prepared
from sketchcli.engine.preprocessing import chunks
from sketchcli.engine.preprocessing import preprocess as preprocessing
from sketchcli.engine.preprocessing.pair_builder import PairOptions
from sketchcli.engine.preprocessing.preprocess import PreprocessConfig
from sketchcli.engine.runs import Provenance
from sketchcli.errors import InterruptedRunError, UsageError

RED, GREEN = (230, 60, 60), (40, 148, 106)  # luma 111 both
PINK, SKY = (250, 184, 184), (189, 209, 255)  # luma 204 to 206
SAND, MIST = (236, 213, 192), (203, 223, 226)  # luma 217
SIDE = 64


def channels(pictures):
    """What the measure makes of images that nothing is known of."""
    total = sum(map(colour.measure, pictures))
    return 3 if colour.strength(total) >= colour.LEAST else 1


# -- the measure

PAIRS = [draw_pair(index, size=SIDE) for index in range(12)]
SKETCHES = [sketch for sketch, _ in PAIRS]


def to_bytes(values):
    return np.asarray(values).clip(0, 255).astype(np.uint8)


def toned(sketch, ink, paper):
    share = (sketch / 255.0)[..., None]
    return to_bytes(np.array(ink) * (1 - share) + np.array(paper) * share)


def sepia(sketch, _=0):
    return toned(sketch, (80, 45, 15), (250, 245, 235))


def ballpoint(sketch, _=0):
    return toned(sketch, (20, 30, 150), (252, 252, 250))


def yellowed(sketch, _=0):
    return toned(sketch, (15, 15, 15), (235, 215, 165))


def on_kraft(sketch, _=0):
    return toned(sketch, (20, 20, 20), (196, 158, 110))


def unevenly_yellowed(sketch, _=0):
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE - 0.5
    age = np.clip(np.hypot(rows, columns) * 1.2 - 0.2, 0, 1)[..., None]
    return to_bytes(toned(sketch, (20, 20, 20), (248, 240, 220)) * (1 - age * (0.15, 0.25, 0.5)))


def stained(sketch, index=0):
    random, page = np.random.default_rng(index), toned(sketch, (20, 20, 20), (245, 235, 215))
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    for row, column, radius in random.uniform((0, 0, 0.08), (1, 1, 0.25), (3, 3)):
        is_wet = np.hypot(rows - row, columns - column) < radius
        page = page * (1 - is_wet[..., None] * (0.14, 0.26, 0.45))
    return to_bytes(page)


def noisy_jpeg(sketch, index=0):
    noise = np.random.default_rng(index).normal(0, 8, (SIDE, SIDE, 3))
    data = images.encode(to_bytes(images.to_rgb(sketch) + noise), ".jpg", quality=40)
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def mixed(sketch, index):
    kinds = (sepia, ballpoint, yellowed, on_kraft, unevenly_yellowed, stained, lambda s, _: s)
    return kinds[index % len(kinds)](sketch, index)


@pytest.mark.parametrize(
    "made",
    [sepia, ballpoint, yellowed, on_kraft, unevenly_yellowed, stained, noisy_jpeg, mixed],
    ids=lambda made: made.__name__,
)
def test_paper_ink_and_noise_are_grey(made):
    assert channels([made(sketch, index) for index, sketch in enumerate(SKETCHES)]) == 1


def test_grey_photos_are_grey_however_they_are_stored():
    grey = [images.luma(photo) for _, photo in PAIRS]
    assert channels(grey) == channels(map(images.to_rgb, grey)) == 1
    assert channels([noisy_jpeg(photo, index) for index, photo in enumerate(grey)]) == 1
    toner = (((70, 40, 10), (255, 240, 210)), ((5, 30, 70), (230, 245, 255)))
    assert channels([toned(photo, *toner[i % 2]) for i, photo in enumerate(grey)]) == 1


def square(index, colours, ground=(255, 255, 255), side=32):
    random = np.random.default_rng(index)
    picture = np.full((side, side, 3), ground, np.uint8)
    size = int(random.integers(side // 5, side // 2))
    top, left = random.integers(1, side - size, 2)
    picture[top : top + size, left : left + size] = colours[index % len(colours)]
    return picture


@pytest.mark.parametrize("colours", [(RED, GREEN), (PINK, SKY), (SAND, MIST)])
@pytest.mark.parametrize("ground", [(255, 255, 255), (245, 238, 220)], ids=["white", "cream"])
def test_squares_that_differ_only_in_colour_need_it_although_each_image_has_one(colours, ground):
    assert channels([square(index, colours, ground) for index in range(20)]) == 3


def test_grey_images_among_those_in_colour_count_no_more_than_their_ink():
    pictures = [square(index, (PINK, SKY)) for index in range(30)]
    assert channels([p if i < 10 else images.luma(p) for i, p in enumerate(pictures)]) == 3


def test_small_objects_on_black_need_colour():
    colours = ((128, 0, 0), (0, 128, 0), (0, 0, 128))
    masks = []
    for index in range(20):
        mask = np.zeros((48, 48, 3), np.uint8)
        top, left = np.random.default_rng(index).integers(0, 42, 2)
        mask[top : top + 6, left : left + 6] = colours[index % 3]
        masks.append(mask)
    assert channels(masks) == 3
    chalk = [to_bytes(255 - sketch.astype(float)) for sketch in SKETCHES]
    assert channels([toned(page, (20, 22, 26), (235, 240, 250)) for page in chalk]) == 1


def night(index):
    """A dark scene with a few lit windows, all of one hue."""
    random = np.random.default_rng(index)
    scene = to_bytes(random.normal(18, 4, (SIDE, SIDE, 1)).repeat(3, axis=2))
    for top, left in random.integers(0, SIDE - 3, (8, 2)):
        scene[top : top + 3, left : left + 2] = (250, 170, 60)
    return scene


@pytest.mark.parametrize(
    ("photo", "expected"),
    [(night, 3), (lambda i: sepia(PAIRS[i][0]), 3), (lambda i: noisy_jpeg(PAIRS[i][0], i), 1)],
    ids=["windows", "sepia", "noise"],
)
def test_photos_in_any_colour_keep_it(tmp_path, photo, expected):
    source = write(tmp_path / "raw", {f"{i}": (PAIRS[i][0], photo(i)) for i in range(8)})
    for is_reversed in (False, True):
        result = prepare(source, tmp_path / f"set-{is_reversed}", is_reversed=is_reversed)
        assert result.domains.channels == ((expected, 1) if is_reversed else (1, expected))


def test_a_map_of_water_and_land_in_one_luma_needs_colour():
    maps = []
    for index in range(6):
        height = np.random.default_rng(index).standard_normal((4, 4))
        is_water = cv2.resize(height, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) < 0
        maps.append(np.where(is_water[..., None], (90, 150, 230), (190, 128, 80)).astype(np.uint8))
    assert channels(maps) == 3


def test_several_coloured_pencils_need_colour_and_one_does_not():
    inks = ((200, 30, 30), (30, 60, 200), (30, 140, 50))

    def drawing(index, inks):
        random, page = np.random.default_rng(index), np.full((256, 256, 3), 252, np.uint8)
        for number in range(12):
            ends = random.integers(0, 256, (2, 2)).tolist()
            cv2.line(page, *ends, inks[number % len(inks)], 4, cv2.LINE_AA)
        return images.resize(page, (SIDE, SIDE))

    assert channels([drawing(index, inks) for index in range(8)]) == 3
    assert channels([drawing(index, inks[1:2]) for index in range(8)]) == 1


def test_photos_need_colour():
    assert channels([photo for _, photo in PAIRS]) == 3


def test_an_empty_sheet_with_specks_is_grey():
    sheet = np.full((SIDE, SIDE, 3), 255, np.uint8)
    sheet[3, 3] = RED
    assert channels([sheet, np.zeros((1, 1, 3), np.uint8), sheet[:1, :3].copy()]) == 1


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("cuhk-student/training-sketches", 1),
        ("cuhk-student/testing-sketches", 1),
        ("cuhk-student/testing-photos", 3),
        ("congress", 3),
    ],
)
def test_real_sketches_are_grey_and_real_photos_are_not(shared, folder, expected):
    files = sorted((shared / folder).iterdir())[:100]
    assert channels(images.fit(images.read(f), (48, 48), "stretch") for f in files) == expected


def test_label_maps_and_photos_of_facades_need_colour(shared):
    both = [images.read_rgb(f) for f in sorted((shared / "facades").iterdir())[:30]]
    for half in (slice(0, 256), slice(256, 512)):
        assert channels(images.fit(b[:, half].copy(), (64, 64), "stretch") for b in both) == 3


# -- what preprocess makes of it


def write(root, pairs):
    """Folders of sketches and photos."""
    for name, (sketch, photo) in pairs.items():
        images.write(root / "sketches" / f"{name}.png", sketch)
        images.write(root / "photos" / f"{name}.png", photo)
    return sources.tree(root)


def white_if_green(index):
    """What a square of one of two colours stands for, as grey as RGB can be."""
    return square(index, ((0, 0, 0), (255, 255, 255)), (128, 128, 128))


def prepare(source, target, *, processes=1, test=0.3, reporter=SILENT, **options):
    config = PreprocessConfig(PairOptions((32, 32)), SplitRule(test=test), **options)
    origin = Provenance("any")
    return preprocessing.preprocess(
        source, origin, config, target=target, processes=processes, reporter=reporter
    )


def squares(root, count=12, colours=(RED, GREEN)):
    pairs = {f"{i:03d}": (square(i, colours), white_if_green(i)) for i in range(count)}
    return write(root, pairs)


def test_a_colour_input_and_a_grey_target_are_stored_as_they_are(tmp_path):
    result = prepare(squares(tmp_path / "raw"), tmp_path / "set")
    assert result.domains == Domains(Domain("input", 3), Domain("target", 1))
    dataset = find_prepared(result.folder)
    assert dataset.description.domains == result.domains
    for name in result.counts:
        split = dataset.split(name)
        assert split.sketches.shape[1:] == (32, 32, 3)
        assert split.photos.shape[1:] == (32, 32)
        pairs = [pair for pair in dataset.description.pairs if pair.split == name]
        for pair, sketch, photo in zip(pairs, split.sketches, split.photos, strict=True):
            assert np.array_equal(sketch, square(int(pair.id), (RED, GREEN)))
            hashes = prepared.picture_hash(sketch), prepared.picture_hash(photo)
            assert pair.sha256 == prepared.pair_hash(*hashes)
    assert "inputs and targets" in result.audit.read_text()


def test_colour_in_one_split_alone_makes_all_of_it_colour(tmp_path):
    for index in range(16):
        folder = tmp_path / "raw" / ("train" if index < 8 else "test")
        sketch = square(index, (RED, GREEN))
        sketch = images.luma(sketch) if index < 8 else sketch
        images.write(folder / "sketches" / f"{index}.png", sketch)
        images.write(folder / "photos" / f"{index}.png", white_if_green(index))
    result = prepare(sources.tree(tmp_path / "raw"), tmp_path / "set")
    assert result.counts == {"train": 8, "test": 8}
    assert find_prepared(result.folder).split("train").sketches.shape == (8, 32, 32, 3)


def test_equal_label_maps_are_duplicates_only_if_their_targets_are_equal(tmp_path):
    for index in range(16):
        folder = tmp_path / "raw" / ("train" if index < 8 else "test")
        labels = np.full((32, 32, 3), RED if index % 2 else GREEN, np.uint8)
        photo = np.roll(PAIRS[0][1], 0 if index == 14 else index, axis=0)  # 0 and 14 are equal
        images.write(folder / "sketches" / f"{index}.png", labels)
        images.write(folder / "photos" / f"{index}.png", photo)
    result = prepare(sources.tree(tmp_path / "raw"), tmp_path / "set")
    assert result.counts == {"train": 7, "test": 8}
    assert {"0.png"} == {file.rpartition("/")[2] for file in result.left_out}


def test_tinted_sketches_are_stored_grey_with_the_hashes_of_what_is_stored(tmp_path):
    pairs = {f"{i}": (yellowed(s), photo) for i, (s, photo) in enumerate(PAIRS)}
    result = prepare(write(tmp_path / "raw", pairs), tmp_path / "set")
    assert result.domains == Domains(SKETCH, PHOTO)
    assert result.reasons == ("as colour tells no parts apart", "as they have colours")
    dataset = find_prepared(result.folder)
    asked = prepare(
        sources.tree(tmp_path / "raw"), tmp_path / "asked", channels=(1, 3), names=("", "face")
    )
    again = find_prepared(asked.folder)
    assert [p.sha256 for p in again.description.pairs] == [
        p.sha256 for p in dataset.description.pairs
    ]
    assert asked.domains == Domains(SKETCH, Domain("face", 3))
    assert asked.reasons == ("as asked", "as asked")


@pytest.mark.parametrize("is_reversed", [False, True])
def test_any_way_of_making_gives_the_same_bytes(tmp_path, monkeypatch, is_reversed):
    """One process or two, stopped or not: one of the chunks is grey by itself."""
    count = chunks.CHUNK + 8
    source = squares(tmp_path / "raw", count)
    for index in range(count - 6):
        path = tmp_path / "raw" / "sketches" / f"{index:03d}.png"
        images.write(path, images.luma(images.read(path)))

    def made(name, **options):
        folder = prepare(source, tmp_path / name, is_reversed=is_reversed, **options).folder
        return {path.name: path.read_bytes() for path in folder.glob("*.npy")}

    whole, real = made("whole"), chunks.make_chunk
    assert whole.keys() == {
        f"{s}-{k}.npy" for s in ("train", "test") for k in ("photos", "sketches")
    }

    def interrupted(folder, options, number, jobs):
        if number == 1:
            raise KeyboardInterrupt
        real(folder, options, number, jobs)

    with monkeypatch.context() as patch:
        patch.setattr(chunks, "make_chunk", interrupted)
        with pytest.raises(InterruptedRunError):
            made("stopped")
    notes = []
    assert made("stopped", reporter=notes.append) == whole
    assert any("resuming: 1 of 2" in str(note) for note in notes)
    if is_reversed:  # processes start slowly
        assert made("two", processes=2) == whole


@pytest.mark.parametrize(
    ("sketch", "photo", "expected", "reverse"),
    [
        (SKETCHES[0], PAIRS[0][1], ("sketch", "photo"), ("photo", "sketch")),
        (SKETCHES[0], SKETCHES[1], ("sketch", "photo"), ("photo", "sketch")),
        (PAIRS[0][1], PAIRS[1][1], ("input", "photo"), ("photo", "target")),
        (PAIRS[0][1], SKETCHES[0], ("input", "target"), ("input", "target")),
    ],
)
def test_unknown_images_are_named_by_their_channels(tmp_path, sketch, photo, expected, reverse):
    source = write(tmp_path / "raw", {"a": (sketch, photo)})
    domains = prepare(source, tmp_path / "set", test=0.0).domains
    assert (domains.input.name, domains.target.name) == expected
    turned = prepare(source, tmp_path / "turned", test=0.0, is_reversed=True).domains
    assert (turned.input.name, turned.target.name) == reverse
    assert turned.channels == domains.channels[::-1]
    named = prepare(source, tmp_path / "named", test=0.0, names=("night", "day"), is_reversed=True)
    assert [named.domains.input, named.domains.target] == [
        dataclasses.replace(turned.input, name="night"),
        dataclasses.replace(turned.target, name="day"),
    ]


# -- both directions


def arrays(folder):
    dataset = find_prepared(folder)
    return {name: dataset.split(name).whole() for name in dataset.description.counts}


def assert_swapped(folder, turned):
    """The same pairs with inputs and targets exchanged, in arrays, names, files and hashes."""
    there, back = find_prepared(folder).description, find_prepared(turned).description
    assert back.domains == there.domains.reversed
    assert back.findings == there.findings
    for pair, other in zip(there.pairs, back.pairs, strict=True):
        assert (pair.id, pair.split, pair.style) == (other.id, other.split, other.style)
        assert (pair.sketch, pair.photo) == (other.photo, other.sketch)
    before, after = arrays(folder), arrays(turned)
    for name, split in before.items():
        assert np.array_equal(split.sketches, after[name].photos)
        assert np.array_equal(split.photos, after[name].sketches)
        pairs = [pair for pair in back.pairs if pair.split == name]
        for pair, *both in zip(pairs, after[name].sketches, after[name].photos, strict=True):
            assert pair.sha256 == prepared.pair_hash(*map(prepared.picture_hash, both))


def found_source(kind, tmp_path):
    root = tmp_path / "raw"
    tree = write(root, {f"{i}": pair for i, pair in enumerate(PAIRS[:6])})
    if kind == "folders":
        return sources.two_folders(root / "sketches", root / "photos")
    if kind == "drawn":
        return sources.photographs(root)
    if kind == "manifest":
        lines = [f"sketches/{i}.png,photos/{i}.png" for i in range(5)]
        (root / "pairs.csv").write_text("\n".join(["sketch,photo", *lines, ",photos/5.png"]))
        return sources.read(root / "pairs.csv")
    if kind == "side by side":
        for index, (sketch, photo) in enumerate(PAIRS[:6]):
            both = np.hstack([photo, images.to_rgb(sketch)])
            images.write(tmp_path / "both" / f"{index}.png", both)
        return sources.side_by_side(tmp_path / "both", direction=Direction.PHOTO_LEFT)
    return tree


@pytest.mark.parametrize("kind", ["tree", "folders", "manifest", "side by side", "drawn"])
def test_reversed_photos_are_the_inputs(tmp_path, kind):
    source = found_source(kind, tmp_path)
    options = {"styles": ("canny",), "draws": 2} if kind == "drawn" else {"styles": ("canny",)}
    straight = prepare(source, tmp_path / "set", **options)
    turned = prepare(source, tmp_path / "turned", is_reversed=True, **options)
    assert straight.domains == Domains(SKETCH, PHOTO)
    assert_swapped(straight.folder, turned.folder)
    if kind == "drawn":
        pairs = find_prepared(turned.folder).description.pairs
        assert all(pair.style == "canny" and pair.sketch and not pair.photo for pair in pairs)
        assert turned.reasons[1] == "drawn by sketch2img"


# -- the command


def test_a_known_dataset_has_its_own_domains_in_both_directions(tmp_path, sketch2img):
    for index in range(3):
        both = np.hstack([PAIRS[index][1], PAIRS[index + 1][1]])
        images.write(tmp_path / "f" / f"{index}.png", both)
    fetch = "fetch-data", "facades", "--from", tmp_path / "f", "--accept-licence"
    line = "inputs: label maps (colour), targets: photos (colour); --reverse swaps them"
    assert line in sketch2img(*fetch).stdout.splitlines()
    data = sketch2img(*fetch, "--overwrite", "--json").json["data"]
    labels, photos = {"name": "label map", "channels": 3}, {"name": "photo", "channels": 3}
    assert data["domains"] == {"input": labels, "target": photos}

    def domains(*options):
        arguments = "preprocess", "facades", "--size", "32", "--overwrite", *options
        return sketch2img(*arguments, "--json").json["data"]["domains"].values()

    assert [*domains()] == [labels, photos]
    assert [*domains("--reverse")] == [photos, labels]
    assert [*domains("--direction", "photo-right")] == [photos, labels]
    assert [*domains("--input-channels", "1")] == [labels | {"channels": 1}, photos]
    assert [*domains("--reverse", "--target-channels", "1", "--target-name", "plan")] == [
        photos,
        {"name": "plan", "channels": 1},
    ]
    assert [*domains("--style", "canny")] == [{"name": "sketch", "channels": 1}, photos]
    shown = sketch2img("preprocess", "facades", "--size", "32", "--overwrite").stdout
    why = "colour, as usual for this dataset"
    assert f"inputs: label maps ({why}), targets: photos ({why})" in shown.splitlines()


def test_the_users_own_images_are_looked_at(tmp_path, sketch2img):
    squares(tmp_path / "own")
    data = sketch2img(
        "fetch-data", "folder", "--from", tmp_path / "own", "--name", "own", "--json"
    ).json["data"]
    assert data["domains"] is None
    shown = sketch2img("preprocess", "own", "--size", "32").stdout
    assert (
        "inputs: input images (colour, as colour tells parts apart), "
        "targets: target images (grey, as they have no colour)"
    ) in shown.splitlines()


def test_what_cannot_be_a_channel_or_a_name_is_refused_before_any_work(tmp_path, sketch2img):
    squares(tmp_path / "own", 2)
    command = "preprocess", tmp_path / "own", "--size", "32", "--name", "own"
    refused = sketch2img(*command, "--input-channels", "2")
    assert refused.code == 2
    assert "choose from: auto, 1, 3" in refused.stderr
    refused = sketch2img(*command, "--target-name", "n" * 31)
    assert refused.code == 2
    assert "invalid name for images" in refused.stderr
    assert not list(tmp_path.rglob(".*work"))
    with pytest.raises(UsageError):
        prepare(sources.tree(tmp_path / "own"), tmp_path / "set", names=(" ", ""))


def test_older_work_of_other_channels_is_not_taken_up(tmp_path, monkeypatch):
    source, notes = squares(tmp_path / "raw"), []
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        patch.setattr(preprocessing.files, "discard", lambda _: None)
        prepare(source, tmp_path / "set")
    shutil.rmtree(tmp_path / "set")
    prepare(source, tmp_path / "set", channels=(1, None), reporter=notes.append)
    assert any("starting over" in str(note) for note in notes)
    assert find_prepared(tmp_path / "set").description.domains.input == SKETCH


def test_the_audit_judges_what_images_show_and_names_it(tmp_path, sketch2img):
    """A label map may be of one colour; that a photo is blank is found in both directions."""
    for index in range(12):
        labels, photo = square(index, (RED, GREEN), (0, 90, 220)), PAIRS[index][1]
        labels[:] = (0, 90, 220) if index == 1 else labels
        photo = np.full_like(photo, 90) if index == 0 else photo
        both = np.hstack([images.resize(photo, (32, 32)), labels])
        images.write(tmp_path / "f" / f"{index}.png", both)
    command = "preprocess", "--paired", tmp_path / "f", "--size", "32", "--test", "0", "--json"
    names = "--input-name", "label map", "--target-name", "photo"
    straight = sketch2img(*command, *names, "--name", "straight").json["data"]
    names = "--target-name", "label map", "--input-name", "photo"
    turned = sketch2img(*command, *names, "--reverse", "--name", "turned").json["data"]
    assert straight["findings"]["blank"] == turned["findings"]["blank"] == 1
    for data, order in ((straight, ("label map", "photo")), (turned, ("photo", "label map"))):
        page = (find_prepared(None).folder.parent / data["name"] / "audit.html").read_text()
        assert "the photo is blank" in page
        assert page.index(f'alt="{order[0]}') < page.index(f'alt="{order[1]}')
