"""Drawing on the page, in a real browser: what the pointers do is read back from the paper."""

import contextlib

import numpy as np
import pytest
from PIL import Image

from .conftest import (
    BLUE,
    RED,
    Hand,
    answer_in,
    answer_state,
    free_port,
    hold,
    ink,
    png,
    saved_strokes,
    status,
    token_of,
    until,
)

LINE = ((200, 300), (500, 300), (800, 300))


def dark(page, x, y, reach=6):
    """Whether something has been drawn at a place."""
    return ink(page)[y - reach : y + reach, x - reach : x + reach].min() < 128


def test_a_stroke_lies_where_the_mouse_went_and_survives_a_reload(visit, draw_server):
    page = visit()
    assert ink(page).shape == (1024, 1024)
    assert ink(page).min() == 255
    page.keyboard.press("]")
    width = page.locator("#width").input_value()
    Hand(page).mouse(*LINE)
    drawn = ink(page)
    assert all(drawn[300, x] < 128 for x in (205, 400, 500, 650, 795))
    assert drawn[320:].min() == 255
    assert drawn[:, :190].min() == 255
    page.reload()  # at once: the drawing is saved while the page closes
    status(page, "Generated")
    assert np.array_equal(ink(page), drawn)
    assert page.locator("#width").input_value() == width
    until(page, lambda: len(saved_strokes(draw_server)) == 1)
    page.locator("#clear").click()
    assert ink(page).min() == 255
    assert page.locator("#photo").is_hidden()
    status(page, "Ready")
    page.locator("#undo").click()
    assert np.array_equal(ink(page), drawn)


def test_a_restarted_server_on_another_port_has_the_drawing(visit, server_at, tmp_path):
    first = server_at()
    page = visit(first.url)
    Hand(page).mouse(*LINE)
    drawn = ink(page)
    until(page, lambda: len(saved_strokes(first)) == 1)
    first.stop()
    status(page, "sketch2img does not answer.*Your drawing is kept in this browser")
    Hand(page).mouse((300, 700), (700, 700))
    assert dark(page, 500, 700)

    sketch = tmp_path / "given.png"
    Image.new("L", (64, 64), 90).save(sketch)
    second = server_at("--port", str(free_port()), str(sketch))
    assert second.origin != first.origin
    other = visit(second.url, ready=False)
    until(other, lambda: ink(other)[500, 500] == 90)  # the sketch of the command line comes first
    other.keyboard.press("Control+z")
    assert np.array_equal(ink(other), drawn)
    other.reload()
    until(other, lambda: np.array_equal(ink(other), drawn))


def test_a_page_of_an_earlier_launch_says_which_address_to_open(visit, server_at):
    first = server_at()
    page = visit(first.url)
    first.stop()
    server_at("--port", first.origin.rpartition(":")[2])
    status(page, "does not belong to the running program: open the address that the terminal shows")


def test_undo_and_redo_by_stroke_give_the_same_pixels_again(visit):
    page = visit()
    hand = Hand(page)
    states = [pixels(page)]
    for number in range(18):  # more than lie between two snapshots
        hand.mouse((100, 60 + 50 * number), (900, 100 + 45 * number))
        states.append(pixels(page))
    assert len(set(states)) == 19
    for before in reversed(states[:-1]):
        page.keyboard.press("Control+z")
        assert pixels(page) == before
    assert page.locator("#undo").is_disabled()
    for _ in states[1:]:
        page.keyboard.press("Control+y")
    assert pixels(page) == states[-1]
    page.locator("#undo").click()
    page.keyboard.press("Control+Shift+Z")
    assert pixels(page) == states[-1]


def pixels(page):
    """Return a sum over the paper that any other pixel changes."""
    return page.locator("#paper").evaluate(
        """c => { const { data } = c.getContext('2d').getImageData(0, 0, c.width, c.height);
            let sum = 7;
            for (const p of new Uint32Array(data.buffer)) sum = (Math.imul(sum, 31) + p) | 0;
            return sum; }"""
    )


def test_the_eraser_has_a_size_of_its_own_and_takes_no_stroke_away(visit, draw_server):
    page = visit()
    hand = Hand(page)
    hand.mouse(*LINE)
    page.keyboard.press("e")
    width = page.locator("#width").input_value()
    page.keyboard.press("]")
    assert float(page.locator("#width").input_value()) > float(width)
    hand.mouse((500, 200), (500, 400))
    assert not dark(page, 500, 300)
    assert dark(page, 400, 300)
    page.keyboard.press("b")
    assert page.locator("#width").input_value() != width
    until(page, lambda: [s["tool"] for s in saved_strokes(draw_server)] == ["pencil", "eraser"])


def test_width_darkness_and_mirror_symmetry(visit):
    page = visit()
    page.locator("#width").fill("30")
    page.locator("#darkness").fill("50")
    Hand(page).mouse(*LINE)
    column = ink(page)[:, 500]
    assert 29 <= (column < 200).sum() <= 31
    assert column[300] == 128
    page.keyboard.press("Control+z")
    page.keyboard.press("x")
    assert page.locator("#axis").is_visible()
    Hand(page).mouse((200, 300), (400, 500), (300, 700))
    drawn = ink(page) < 200
    assert (drawn != drawn[:, ::-1]).sum() < 0.03 * drawn.sum()
    assert drawn[400, 1024 - 300]


def test_soft_shading_is_soft_and_builds_up(visit):
    page = visit()
    page.keyboard.press("s")
    hand = Hand(page)
    hand.mouse(*LINE)
    once = ink(page)[:, 500].astype(int)
    assert 150 < once[300] < 230
    assert np.abs(np.diff(once)).max() < 12
    hand.mouse(*LINE)
    assert ink(page)[300, 500] < once[300] - 20


def test_a_pen_draws_by_its_pressure_unless_that_is_off(visit):
    page = visit()
    hand = Hand(page)

    def widths(y):
        hand.pen(*((x, y, 0.1 if x < 500 else 0.9) for x in range(200, 801, 20)))
        columns = ink(page)[y - 40 : y + 40, [300, 700]]
        return (columns < 200).sum(axis=0)

    page.locator("#width").fill("20")
    light, firm = widths(300)
    assert firm > 2 * light
    page.locator("#pressure").click()
    light, firm = widths(600)
    assert firm == light


def test_a_palm_leaves_no_mark_beside_a_pen_and_two_fingers_zoom(visit):
    page = visit(has_touch=True)
    hand = Hand(page)
    hand.finger((200, 900), (500, 900), (800, 900))
    assert dark(page, 500, 900)
    hand.fingers("touchStart", (300, 600))  # the palm comes first
    hand.fingers("touchMove", (400, 600))
    hand.pen_event("mousePressed", 200, 300, 0.5)
    hand.pen_event("mouseMoved", 500, 300, 0.5)
    hand.fingers("touchMove", (500, 600))
    hand.pen_event("mouseMoved", 800, 300, 0.5)
    hand.pen_event("mouseReleased", 800, 300, 0.5)
    hand.fingers("touchEnd")
    hand.finger((200, 100), (800, 100))
    assert dark(page, 500, 300)
    assert not dark(page, 350, 600)
    assert not dark(page, 500, 100)
    page.locator("#fingers").click()
    hand.finger((200, 100), (500, 100), (800, 100))
    assert dark(page, 500, 100)
    drawn = ink(page)
    hand.fingers("touchStart", (400, 500))
    hand.fingers("touchStart", (400, 500), (600, 500))
    hand.fingers("touchMove", (300, 500), (700, 500))
    hand.fingers("touchEnd")
    assert np.array_equal(ink(page), drawn)  # two fingers zoom
    assert page.locator("#zoom-fit").inner_text() == "200%"


def test_a_stroke_on_zoomed_paper_lies_under_the_pointer(visit):
    page = visit()
    for _ in range(3):
        page.keyboard.press("+")
    Hand(page).mouse((450, 500), (600, 500))
    assert dark(page, 525, 500)
    assert ink(page)[:490].min() == 255
    outline = "stage => getComputedStyle(stage).outlineStyle"
    assert page.locator("#stage").evaluate(outline) == "none"  # keys and pointer take turns
    page.keyboard.press("ArrowRight")
    Hand(page).mouse((450, 560), (600, 560))
    assert dark(page, 525, 560)
    page.keyboard.press("0")
    assert page.locator("#zoom-fit").inner_text() == "100%"
    assert page.locator("#stage").evaluate(outline) == "none"
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    assert page.locator("#stage").evaluate(outline) == "solid"


def test_a_stroke_stays_under_the_pointer_while_the_page_moves(visit):
    page = visit()
    x, y = Hand(page).at(200, 300)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 20, y)
    page.locator("header").evaluate("header => { header.style.paddingBottom = '40px'; }")
    x, y = Hand(page).at(600, 600)
    page.mouse.move(x, y)
    page.mouse.move(x + 50, y)
    page.mouse.up()
    assert dark(page, 620, 600)


def test_fifty_quick_strokes_all_count_and_the_last_photo_is_theirs(visit, draw_server):
    page = visit()
    hand = Hand(page)
    x0, y0 = hand.at(100, 100)
    for number in range(50):
        page.mouse.move(x0 + 6 * number, y0)
        page.mouse.down()
        page.mouse.move(x0 + 6 * number, y0 + 150)
        page.mouse.up()
    status(page, "Generated")
    until(page, lambda: len(saved_strokes(draw_server)) == 50)
    numbers = [int(request.url.split("number=")[1].split("&")[0]) for request in page.sent]
    assert numbers == sorted(set(numbers))
    assert len({request.url.split("client=")[1].split("&")[0] for request in page.sent}) == 1


# ---------------------------------------------------------------- The photo


def shown(page):
    """Return the colour in the middle of the photo that is shown."""
    return tuple(
        page.locator("#photo").evaluate(
            """photo => { const c = document.createElement('canvas').getContext('2d');
            c.drawImage(photo, 0, 0); return [...c.getImageData(9, 9, 1, 1).data.slice(0, 3)]; }"""
        )
    )


LARGE = {"**/api/state*": answer_state(size=[256, 256])}  # a model that is worth a preview


def test_a_preview_comes_first_until_photos_are_quick(visit):
    page = visit(routes=LARGE)
    Hand(page).mouse(*LINE)
    status(page, "Generated the photo in")
    assert ["width=128" in sent.url for sent in page.sent] == [True, False]
    assert shown(page) == BLUE
    assert page.locator("#figure").get_attribute("aria-busy") == "false"
    Hand(page).mouse((200, 600), (800, 600))
    until(page, lambda: len(page.sent) == 3)
    assert "width" not in page.sent[2].url


def test_a_small_model_needs_no_preview_and_the_slider_compares(visit):
    page = visit(routes={"**/api/state*": answer_state(size=[128, 128])})
    assert page.locator("#compare").is_disabled()
    Hand(page).mouse(*LINE)
    status(page, "Generated")
    assert len(page.sent) == 1
    page.locator("#compare").fill("40")
    assert page.locator("#divider").is_visible()
    clip = page.locator("#before").evaluate("before => getComputedStyle(before).clipPath")
    assert clip == "inset(0px 60% 0px 0px)"


def test_a_photo_of_an_earlier_drawing_looks_old_until_the_next_one_is_there(visit):
    page = visit()
    hand = Hand(page)
    hand.mouse(*LINE)
    status(page, "Generated")
    opacity = "photo => getComputedStyle(photo).opacity"
    assert page.locator("#photo").evaluate(opacity) == "1"
    until(page, lambda: page.locator("[role=status]").inner_text() == "Generated the photo")
    page.evaluate(
        """() => { window.spoken = [];
        new MutationObserver(() => spoken.push(document.querySelector('[role=status]').textContent))
            .observe(document.querySelector('[role=status]'), { childList: true }); }"""
    )
    held = []
    page.route("**/api/generate*", hold(held))
    page.keyboard.press("Control+z")
    hand.mouse((200, 500), (800, 500))
    status(page, "Generating the photo…")
    until(page, lambda: float(page.locator("#photo").evaluate(opacity)) < 0.5)
    assert page.locator("#history [aria-current=true]").count() == 0
    until(page, lambda: held)
    held[-1].fulfill(body=png(RED), content_type="image/png")
    status(page, "Generated")
    until(page, lambda: page.locator("#photo").evaluate(opacity) == "1")
    assert shown(page) == RED
    assert page.evaluate("() => spoken") == []  # only what stands for a second is spoken


def test_a_server_that_ends_counts_as_gone_and_the_last_photo_stays(visit):
    held, ending = [], []

    def state(route):
        if ending:
            route.fulfill(status=503)
        elif "since=ready" in route.request.url:
            held.append(route)
        else:
            route.continue_()

    page = visit(routes={"**/api/state*": state})
    Hand(page).mouse(*LINE)
    status(page, "Generated")
    until(page, lambda: held)
    ending.append(True)
    held[0].fulfill(status=500, body="the server ends")
    status(page, "sketch2img does not answer: start it again with “sketch2img draw --port")
    assert shown(page) == BLUE
    assert page.locator("#figure.old").count() == 0
    assert page.locator("#save-photo").is_enabled()
    Hand(page).mouse((200, 500), (800, 500))
    assert page.locator("#figure.old").count() == 1
    page.reload()
    status(page, "sketch2img does not answer")
    assert "once this page reaches sketch2img again" in page.locator("#waiting").inner_text()


def test_history_leads_back_and_undo_forth_again(visit):
    page = visit()
    hand = Hand(page)
    hand.mouse(*LINE)
    status(page, "Generated")
    first = ink(page)
    hand.mouse((200, 500), (600, 700))
    until(page, lambda: page.locator("#history button").count() == 2)
    both = ink(page)
    page.locator("#history button").first.click()
    until(page, lambda: np.array_equal(ink(page), first))
    page.keyboard.press("Control+z")
    assert np.array_equal(ink(page), both)


def test_the_copy_in_the_browser_belongs_to_one_data_folder(visit, draw_server):
    page = visit(routes={"**/api/state*": answer_state(store="one")})
    Hand(page).mouse(*LINE)
    drawn = ink(page)
    until(page, lambda: len(saved_strokes(draw_server)) == 1)
    page.route("**/api/drawing*", lambda route: route.fulfill(status=204))  # another data folder
    page.route("**/api/state*", answer_state(store="two"))
    page.reload()
    status(page, "Ready")
    assert ink(page).min() == 255
    page.route("**/api/state*", answer_state(store="one"))
    page.reload()
    status(page, "Generated")
    assert np.array_equal(ink(page), drawn)


def test_a_stale_answer_is_never_shown(visit):
    held = []
    page = visit(routes=LARGE | {"**/api/generate*": hold(held)})
    hand = Hand(page)
    hand.mouse(*LINE)
    until(page, lambda: len(held) == 1)
    assert page.locator("#figure").get_attribute("aria-busy") == "true"
    hand.mouse((200, 500), (800, 500))
    until(page, lambda: len(held) == 2)
    held[1].fulfill(body=png(BLUE), content_type="image/png")
    until(page, lambda: len(held) == 3)
    with contextlib.suppress(Exception):  # the page has taken the request back
        held[0].fulfill(body=png(RED), content_type="image/png")
    held[2].fulfill(body=png(BLUE), content_type="image/png")
    status(page, "Generated")
    assert shown(page) == BLUE
    assert page.locator("#history li").count() == 1


def test_a_failed_generation_is_said_and_the_next_one_mends_it(visit):
    page = visit()
    told = '{"message": "out of memory", "hint": "choose a smaller model"}'
    page.route("**/api/generate*", lambda route: route.fulfill(status=500, body=told))
    hand = Hand(page)
    hand.mouse(*LINE)
    status(page, "out of memory: choose a smaller model")
    until(page, lambda: page.locator("#figure").get_attribute("aria-busy") == "false")
    page.route("**/api/generate*", answer_in(RED))
    hand.mouse((200, 500), (800, 500))
    status(page, "Generated")
    assert shown(page) == RED


def test_a_stroke_during_loading_gets_its_photo_once_the_model_is_there(visit):
    states = []
    page = visit(routes={"**/api/state*": hold(states)}, ready=False)
    until(page, lambda: states)
    answer = states[0].fetch()
    loading = answer.json() | {"status": "loading", "message": "loading"}
    states[0].fulfill(json=loading)
    status(page, "Loading the model")
    Hand(page).mouse(*LINE)
    page.wait_for_timeout(200)
    assert page.sent == []
    until(page, lambda: len(states) == 2)
    assert "since=loading" in states[1].request.url
    states[1].fulfill(json=loading | {"status": "ready"})
    status(page, "Generated")


def test_the_real_model_generates(visit):
    page = visit(routes={"**/api/generate*": None})
    Hand(page).mouse(*LINE)
    status(page, "Generated", seconds=60)
    assert page.locator("#photo").evaluate("photo => photo.naturalWidth") >= 128
    assert shown(page) != BLUE


def test_two_tabs_show_one_drawing_and_ask_as_two_clients(visit):
    first = visit()
    second = visit(context=first.context, url=first.url + token_of(first))
    Hand(first).mouse(*LINE)
    until(second, lambda: np.array_equal(ink(second), ink(first)))
    Hand(second).mouse((200, 500), (800, 500))
    until(first, lambda: np.array_equal(ink(second), ink(first)))
    assert dark(first, 500, 500)
    assert dark(first, 500, 300)
    clients = [page.sent[-1].url.split("client=")[1].split("&")[0] for page in (first, second)]
    assert clients[0] != clients[1]


@pytest.mark.parametrize("fragment", ["", "#token=wrong"])
def test_a_page_without_the_right_token_says_what_to_open(visit, draw_server, fragment):
    page = visit(draw_server.origin + "/" + fragment, ready=False)
    status(page, "open the address that the terminal shows")
    assert "token" not in page.url
