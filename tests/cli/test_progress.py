"""What a person sees while the engine works."""

import io

import pytest
from rich.console import Console

from sketchcli.cli import progress
from sketchcli.engine.events import Advanced, BatchTrained, EpochTrained, Note, Transferred


def batch(number, epoch=3):
    return BatchTrained(epoch, 10, number, 5, 1.25 * number, 0.5)


def epoch(number, mae=None):
    return EpochTrained(number, 10, 5, 4.5, 1.75, 14.2, 65.0, mae)


@pytest.fixture
def display():
    file = io.StringIO()
    return progress.LiveDisplay(Console(file=file, force_terminal=True, width=80)), file


def shown(display):
    """The display's lines, as a terminal of 80 columns shows them."""
    console = Console(file=io.StringIO(), width=80)
    console.print(display.render())
    return console.file.getvalue().splitlines()


def test_the_live_display_shows_batch_and_both_losses(display):
    live, _ = display
    for event in (epoch(1), epoch(2), batch(4)):
        live(event)
    lines = shown(live)
    assert lines[1].split() == ["1/10", "5/5", "4.5000", "1.7500", "14.2"]
    assert lines[3].split() == ["3/10", "4/5", "5.0000", "0.5000"]
    assert "14/50" in lines[4]
    assert max(map(len, lines)) < 80


def test_the_live_display_keeps_to_the_last_epochs(display):
    live, _ = display
    live(batch(1))
    for number in range(1, 9):
        live(epoch(number))
    lines = shown(live)
    assert len(lines) == 1 + progress.LAST_EPOCHS + 1 + 1
    assert lines[1].split()[0] == "4/10"


def test_notes_and_held_out_errors_stay_above_the_live_display(display):
    live, file = display
    live(Note("drawing the [demo] set"))
    live(epoch(10, mae=23.4))
    assert "drawing the [demo] set" in file.getvalue()
    assert "23.4" in file.getvalue()


def test_counts_are_a_bar(display):
    live, _ = display
    live(Advanced("pairs", 3, 8))
    assert "3/8" in shown(live)[0]


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


def test_off_a_terminal_an_epoch_is_one_plain_line(capsys):
    with progress.reporting() as report:
        for event in (Note("hello", is_warning=True), batch(1), batch(2), epoch(3, mae=23.4)):
            report(event)
        report(Advanced("pairs", 1, 2))
        report(Advanced("pairs", 2, 2))
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "warning: hello",
        (
            "epoch 3/10  batch 5/5  generator 4.5000  discriminator 1.7500  14.2 img/s  1m05s left"
            "  held-out MAE 23.4"
        ),
        "pairs: 2",
    ]
