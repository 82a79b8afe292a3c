"""What the page saves, and what it shows if another window or another version has saved."""

import json

import numpy as np
import pytest

from .conftest import Hand, answer_state, hold, ink, png, status, token_of, until
from .conftest import saved_strokes as strokes

LINE = ((200, 300), (500, 300), (800, 300))
LOWER = ((200, 500), (500, 500), (800, 500))
BROKEN = {"width": 64, "height": 64, "image": "data:image/png;base64,AAAA"}
BLANK = {"width": 1024, "height": 1024, "image": ""}
HIDE = """() => { Object.defineProperty(document, 'hidden', { value: true, configurable: true });
    dispatchEvent(new Event('visibilitychange')); delete document.hidden; }"""
BLOCKED = """for (const shelf of ['localStorage', 'sessionStorage'])
    Object.defineProperty(window, shelf, { get() { throw new Error('the access is denied'); } });"""
FULL = "Storage.prototype.setItem = () => { throw new Error('the quota is exceeded'); };"


def write(server, **document):
    saved = {"version": 1, "saved": 5, "items": [BLANK], "undone": [], "pairs": [], "settings": {}}
    file = server.home / "drawing" / "drawing.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(saved | {"trace": None, "kept": 0} | document))


def test_many_opened_images_never_make_the_drawing_too_large_to_be_saved(visit, draw_server):
    page = visit()
    for level in range(7):
        image = {"name": "a.png", "mimeType": "image/png", "buffer": png((30 * level,) * 3)}
        page.locator("#file").set_input_files(image)
        page.locator("#as-sketch").click()
        until(page, lambda: ink(page)[500, 500] == 30 * level)  # noqa: B023
    Hand(page).mouse(*LINE)
    drawn = ink(page)
    until(page, lambda: len(strokes(draw_server)) == 1)
    assert len(draw_server.saved["items"]) == 6  # five sheets, and the stroke
    page.reload()
    status(page, "Generated")
    assert np.array_equal(ink(page), drawn)
    for _ in range(5):
        page.keyboard.press("Control+z")
    assert ink(page)[500, 500] == 60
    assert page.locator("#undo").is_disabled()


@pytest.fixture
def other_browser(browser):
    context = browser.new_context()
    yield context
    context.close()


def test_a_page_in_another_browser_takes_over_a_newer_drawing(other_browser, visit, draw_server):
    first = visit()
    second = visit(context=other_browser)
    Hand(first).mouse(*LINE)
    until(first, lambda: len(strokes(draw_server)) == 1)
    Hand(second).mouse(*LOWER)  # it does not know yet that the drawing has been changed
    status(second, "Another window has changed this drawing")
    assert np.array_equal(ink(second), ink(first))
    Hand(second).mouse(*LOWER)
    until(second, lambda: len(strokes(draw_server)) == 2)
    first.evaluate("() => dispatchEvent(new Event('focus'))")
    until(first, lambda: np.array_equal(ink(second), ink(first)))
    Hand(first).mouse((200, 700), (800, 700))
    until(first, lambda: len(strokes(draw_server)) == 3)


def test_a_stroke_is_not_lost_while_another_tab_saves(visit):
    first = visit()
    second = visit(context=first.context, url=first.url + token_of(first))
    hand = Hand(second)
    second.mouse.move(*hand.at(*LOWER[0]))
    second.mouse.down()
    second.mouse.move(*hand.at(*LOWER[1]), steps=4)
    Hand(first).mouse(*LINE)
    status(second, "Another window")
    second.mouse.move(*hand.at(*LOWER[2]), steps=4)
    second.mouse.up()
    both = ink(second)
    assert [both[y, x] < 128 for y in (300, 500) for x in (300, 700)] == [True] * 4
    until(first, lambda: np.array_equal(ink(first), both))


def test_a_stroke_is_not_lost_while_the_model_becomes_ready(visit):
    states = []
    page = visit(routes={"**/api/state*": hold(states)}, ready=False)
    until(page, lambda: states)
    loading = states[0].fetch().json() | {"status": "loading", "message": "loading"}
    states[0].fulfill(json=loading)
    status(page, "Loading the model")
    hand = Hand(page)
    page.mouse.move(*hand.at(*LINE[0]))
    page.mouse.down()
    page.mouse.move(*hand.at(*LINE[1]), steps=4)
    until(page, lambda: len(states) == 2)
    states[1].fulfill(json=loading | {"status": "ready", "size": [128, 256]})
    status(page, "Ready")
    page.mouse.move(*hand.at(*LINE[2]), steps=4)
    page.mouse.up()
    drawn = ink(page)
    assert drawn.shape == (1024, 1024)
    assert all(drawn[300, x] < 128 for x in (205, 400, 795))


@pytest.mark.parametrize("fault", [{"version": 2}, {"items": [BLANK, BROKEN]}, {"items": 3}])
def test_a_saved_drawing_that_cannot_be_read_is_kept_aside(visit, draw_server, fault):
    write(draw_server, **fault)
    folder = draw_server.home / "drawing"
    before = (folder / "drawing.json").read_text()
    page = visit(ready=False)
    status(page, "The saved drawing is damaged or of another version: it is kept")
    until(page, lambda: page.locator("#undo").is_disabled())
    for number, line in enumerate((LINE, LOWER), 1):
        Hand(page).mouse(*line)
        until(page, lambda: len(strokes(draw_server)) == number)  # noqa: B023
    [kept] = folder.glob("drawing-before-*.json")
    assert kept.read_text() == before
    kept.unlink()


def test_settings_of_another_version_do_no_harm(visit, draw_server):
    write(draw_server, settings={"width": None, "darkness": {"pencil": "x"}, "tool": "eraser"})
    page = visit()
    assert page.locator("#eraser").get_attribute("aria-pressed") == "true"
    assert page.locator("#width").input_value() == "40"


@pytest.mark.parametrize("fault", [BLOCKED, FULL], ids=["blocked", "full"])
def test_without_storage_in_the_browser_the_server_keeps_the_work(
    other_browser, visit, draw_server, fault
):
    other_browser.add_init_script(fault)
    page = visit(context=other_browser)
    Hand(page).mouse(*LINE)
    drawn = ink(page)
    until(page, lambda: len(strokes(draw_server)) == 1)
    page.reload()
    status(page, "Generated")
    assert np.array_equal(ink(page), drawn)


def hold_first(held):
    def answer(route):
        if held:
            route.continue_()
        else:
            held.append(route)

    return answer


def test_an_older_save_that_arrives_late_changes_nothing(visit, draw_server):
    held = []
    page = visit(routes={"**/api/drawing?*": hold_first(held)})
    Hand(page).mouse(*LINE)
    until(page, lambda: held)
    Hand(page).mouse(*LOWER)
    page.evaluate(HIDE)
    until(page, lambda: len(strokes(draw_server)) == 2)
    first = held[0].request.url
    with page.expect_response(lambda response: response.url == first) as answered:
        held[0].continue_()
    assert answered.value.status == 409
    assert len(strokes(draw_server)) == 2
    assert page.locator("#status.bad").count() == 0


def test_a_failed_save_is_said_for_longer_than_a_photo_takes(visit):
    told = {"message": "the disk is full", "hint": "delete files"}
    failing = {"**/api/drawing?*": lambda route: route.fulfill(status=507, json=told)}
    page = visit(routes=failing | {"**/api/state*": answer_state(size=[128, 128])})
    Hand(page).mouse(*LINE)
    status(page, "the disk is full: delete files")
    Hand(page).mouse(*LOWER)
    until(page, lambda: page.locator("#history button").count() == 2)
    assert "the disk is full" in page.locator("#status").inner_text()
    page.route("**/api/drawing?*", lambda route: route.fulfill(status=413, json=told))
    status(page, "The drawing is too large to be saved: download its pairs and remove them")
