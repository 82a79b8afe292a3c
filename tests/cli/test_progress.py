"""What a person sees while the engine works."""

import dataclasses
import io

import pytest
from rich.console import Console

from sketchcli.cli import progress
from sketchcli.engine.events import (
    Advanced,
    BatchTrained,
    EpochTrained,
    Found,
    Note,
    Transferred,
    Validated,
)

PARTS = {"reconstruction": 0.123, "adversarial": 0.81, "feature_matching": 0.45}
JUDGING = {"real_accuracy": 0.85, "fake_accuracy": 0.8, "real_sign": 0.7}
UNSHOWN = {"gradient_norm": 987.0}


def batch(number, epoch=3, **values):
    values = {"parts": PARTS | UNSHOWN, "judging": JUDGING | UNSHOWN, "strength": 1.0} | values
    return BatchTrained(epoch, 10, number, 5, 1.25 * number, 0.5, **values)


def epoch(number):
    more = {"lr": 2e-4, "memory_mb": 1843.0, "strength": 1.0}
    more |= {"last_generator_loss": 4.25, "last_discriminator_loss": 0.625}
    return EpochTrained(number, 10, 5, 4.5, 1.75, 14.2, 65.0, PARTS, JUDGING, **more)


def measured(number, score=1.5, *, is_best=False, is_held_out=True, **scores):
    scores = {"ssim": 0.712, "mae": 20.1, "gradient": 0.84, "sharpness": 0.91} | scores
    trained = {"ssim": 0.801}
    return Validated(
        number, 10, is_held_out, scores, score, is_best, trained, 4.2, 0.95, None, -0.31, "x.png"
    )


@pytest.fixture
def display():
    file = io.StringIO()
    return progress.LiveDisplay(Console(file=file, force_terminal=True, width=80)), file


def shown(display, width=80):
    """The display's lines, as a terminal of so many columns shows them."""
    display.console.width = width
    console = Console(file=io.StringIO(), width=width)
    console.print(display.render())
    return console.file.getvalue().splitlines()


def line_of(lines, start):
    """The words of the first line that starts so."""
    return next(line.split() for line in lines if line.startswith(start))


def test_the_live_display_shows_epochs_batch_and_how_the_discriminator_did(display):
    live, _ = display
    for event in (epoch(1), epoch(2), batch(4)):
        live(event)
    lines = shown(live)
    assert line_of(lines, "2/10") == [
        "2/10",
        "mean",
        "4.50",
        "1.75",
        "85%",
        "80%",
        "+0.70",
        "14.2",
    ]
    assert line_of(lines, "3/10") == ["3/10", "4/5", "5.00", "0.500", "85%", "80%", "+0.70"]
    assert "14/50" in line_of(lines, "batches")
    now = "adv 0.810   recon 0.123   feat 0.450   lr 2.0e-4   memory 1.8 GB"
    assert now in [line.rstrip() for line in lines]
    assert "987" not in "".join(lines)
    live(dataclasses.replace(epoch(3), memory_mb=812.3))
    assert "memory 812 MB" in "".join(shown(live))


def test_on_a_wide_terminal_the_losses_parts_are_columns(display):
    live, _ = display
    for event in (epoch(2), batch(4)):
        live(event)
    lines = shown(live, 110)
    parts = ["0.810", "0.123", "0.450"]
    assert line_of(lines, "2/10")[2:7] == ["4.50", "1.75", *parts]
    assert line_of(lines, "epoch")[4:7] == ["adv", "recon", "feat"]
    assert not any(line.startswith("adv") for line in lines)


def test_the_live_display_keeps_to_the_last_epochs(display):
    live, _ = display
    live(batch(1))
    for number in range(1, 9):
        live(epoch(number))
    lines = shown(live)
    numbered = [line.split()[0] for line in lines if line.split()[0:1] and "/10" in line.split()[0]]
    assert numbered == ["4/10", "5/10", "6/10", "7/10", "8/10", "3/10"]


def test_every_measurement_stays_on_the_screen_and_the_best_is_marked(display):
    live, file = display
    live(batch(1))
    live(measured(1, is_best=True))
    live(measured(2, score=0.5))
    best, worse = (line for line in file.getvalue().splitlines() if "held-out" in line)
    assert "score 1.50  *" in best
    assert "score 0.500" in worse
    assert "*" not in worse


@pytest.mark.parametrize("width", [80, 110, 200])
def test_nothing_is_wider_than_the_terminal(display, width):
    live, _ = display
    many = dict.fromkeys(progress.SHORT, 123.456)
    live(batch(5, parts=many, strength=0.5, skipped=("generator",)))
    for number in range(95, 101):
        changed = {"epochs": 1000, "epoch": number, "parts": many}
        live(dataclasses.replace(epoch(1), **changed))
        live(measured(number, is_best=True, **{"lpips-alex": 0.11}))
    lines = shown(live, width)
    assert max(map(len, lines)) <= width
    assert not any("…" in line for line in lines)


def test_skipped_steps_and_adapted_augmentation_are_told(display):
    live, _ = display
    live(batch(1))
    assert "skipped" not in " ".join(shown(live))
    for number in (2, 3):
        live(batch(number, skipped=("generator", "discriminator"), strength=0.35))
    assert "augmented 35%   skipped 2" in " ".join(shown(live))


def test_notes_and_findings_stay_above_the_live_display(display):
    live, file = display
    live(Note("drawing the [demo] set"))
    live(Found(10, "collapse", "all generated photos look [alike]"))
    assert "drawing the [demo] set" in file.getvalue()
    assert "warning: epoch 10: all generated photos look [alike]" in file.getvalue()


def test_each_epoch_s_last_batch_stays_above_the_live_display(display):
    live, file = display
    for number in (1, 2):
        live(batch(5, epoch=number))
        live(epoch(number))
    lines = [line.strip() for line in file.getvalue().splitlines()]
    assert lines == [
        "epoch 1/10  batch 5/5  generator 4.2500  discriminator 0.6250",
        "epoch 2/10  batch 5/5  generator 4.2500  discriminator 0.6250",
    ]
    longest = dataclasses.replace(epoch(2000), epochs=2000, batches=9999, last_generator_loss=99.5)
    assert len(progress.last_batch_line(longest)) <= 80


def test_counts_are_a_bar_whatever_they_are_of(display):
    live, _ = display
    live(Advanced("pairs", 3, 8))
    live(Advanced(f"pictures of {'long-' * 20}[/name]", 30_000, 100_000))
    pairs, pictures = shown(live)
    assert "3/8" in pairs
    assert pictures.startswith("pictures of long-")
    assert "30000/100000" in pictures


def test_a_transfer_is_a_bar_with_size_speed_and_time_left(display):
    live, _ = display
    name = "a-very-long-name-of-a-set-of-[bold]faces.tar.gz"
    for done in (11_000_000, 21_000_000, 31_000_000):
        live(Transferred(name, done, 170_500_000))
    (line,) = shown(live)[:1]
    assert line.startswith("a-very-long-name-of-a-s…")
    assert "31.0/170.5 MB" in line
    assert "B/s" in line
    assert "0:00:" in line
    assert len(line.rstrip()) < 80


def test_a_transfer_may_have_no_known_end_and_start_anew(display):
    live, _ = display
    live(Transferred("[x].zip", 5_000_000, None))
    assert shown(live)[0].startswith("[x].zip ")
    assert "5.0/? MB" in shown(live)[0]
    live(Transferred("[x].zip", 1_000_000, 2_000_000))
    assert "1.0/2.0 MB" in shown(live)[0]


def test_counts_and_transfers_have_bars_of_their_own(display):
    live, _ = display
    live(Advanced("pairs", 3, 8))
    alone = shown(live)
    live(Transferred("faces.zip", 10, 20))
    lines = shown(live)
    assert lines[0].startswith("faces.zip")
    assert lines[1:] == alone


def test_off_a_terminal_a_transfer_is_one_plain_line(capsys):
    with progress.reporting() as report:
        report(Transferred("faces.zip", 0, None))
        report(Transferred("faces.zip", 6_000_000, 12_300_000))
        report(Transferred("faces.zip", 12_300_000, 12_300_000))
    assert capsys.readouterr().err.splitlines() == ["faces.zip: 12.3 MB"]


def test_off_a_terminal_each_event_is_one_plain_line(capsys):
    with progress.reporting() as report:
        for event in (
            Note("hello", is_warning=True),
            batch(1),
            batch(2),
            epoch(3),
            measured(3, is_best=True),
            measured(4, is_held_out=False),
            Found(4, "collapse", "all look\nalike"),
            Advanced("pairs", 1, 2),
            Advanced("pairs", 2, 2),
        ):
            report(event)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "warning: hello",
        progress.epoch_line(epoch(3)),
        "epoch 3/10  held-out pairs  ssim 0.712  mae 20.1  score 1.50  *",
        "epoch 4/10  training pairs  ssim 0.712  mae 20.1  score 1.50",
        "warning: epoch 4: all look\\nalike",
        "pairs: 2",
    ]


def test_an_epoch_s_line_has_its_last_batch_and_its_means():
    assert progress.epoch_line(epoch(3)) == (
        "epoch 3/10  batch 5/5  generator 4.2500  discriminator 0.6250"
        "  means 4.5000, 1.7500  14.2 img/s  1m05s left"
    )


def test_a_process_that_is_not_shown_says_nothing(capsys):
    with progress.reporting(is_shown=False) as report:
        report(Note("hello"))
        report(epoch(3))
    assert capsys.readouterr() == ("", "")


def test_a_bar_that_begins_in_the_middle_does_not_count_that_as_speed(display):
    live, _ = display
    live(Advanced("batches", 40, 50))
    assert live.progress.tasks[0].speed in {None, 0.0}
    assert live.progress.tasks[0].completed == 40
