"""Images that come in and go out through the page, in a real browser."""

import io
import zipfile
from base64 import b64encode

import numpy as np
import pytest
from PIL import Image, ImageDraw

from .conftest import BLUE, Hand, answer_state, hold, ink, status, until

LINE = ((200, 300), (500, 300), (800, 300))


def picture(mode="L", size=(200, 100), kind="PNG"):
    """A white image with a dark disc in its left half."""
    image = Image.new(mode, size, "white")
    ImageDraw.Draw(image).ellipse((30, 30, 70, 70), fill="black")
    written = io.BytesIO()
    image.save(written, kind)
    return written.getvalue()


def give(page, event, target="document.body"):
    """Paste or drop an image."""
    page.evaluate(
        """([type, base64]) => {
        const bytes = Uint8Array.from(atob(base64), c => c.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], 'image.png', { type: 'image/png' }));
        const options = { bubbles: true, clipboardData: data, dataTransfer: data };
        document.body.dispatchEvent(type === 'paste' ? new ClipboardEvent(type, options)
                                                     : new DragEvent(type, options)); }""",
        [event, b64encode(picture()).decode()],
    )


def test_a_pasted_or_dropped_sketch_is_drawn_on_and_undo_takes_it_back(visit):
    page = visit()
    Hand(page).mouse(*LINE)
    before = ink(page)
    give(page, "drop")
    page.locator("#as-sketch").click()
    until(page, lambda: ink(page).shape == (512, 1024))
    page.keyboard.press("Control+z")
    give(page, "paste")
    page.locator("#as-sketch").click()
    until(page, lambda: ink(page).shape == (512, 1024))
    assert ink(page)[256, 256] < 30
    assert ink(page)[256, 700] == 255
    heights = [page.locator(shown).bounding_box()["height"] for shown in ("#paper", "#print")]
    assert heights[0] == pytest.approx(heights[1], abs=1)
    Hand(page).mouse((600, 100), (900, 100))
    assert ink(page)[100, 750] < 128
    drawn = ink(page)
    page.reload()
    status(page, "Generated")
    assert np.array_equal(ink(page), drawn)
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    assert np.array_equal(ink(page), before)


def test_a_format_that_browsers_do_not_know_is_read_by_the_server(visit):
    page = visit()
    tiff = picture(kind="TIFF")
    page.locator("#file").set_input_files({"name": "a.tif", "mimeType": "", "buffer": tiff})
    page.locator("#as-sketch").click()
    until(page, lambda: ink(page).shape == (512, 1024))
    assert ink(page)[256, 256] < 30


def test_a_file_that_is_no_image_is_said(visit):
    page = visit()
    broken = {"name": "a.png", "mimeType": "image/png", "buffer": b"no image"}
    page.locator("#file").set_input_files(broken)
    until(page, lambda: page.locator("#status.bad").count() == 1)
    assert page.locator("#image-dialog").is_hidden()


def test_a_drawing_that_a_browser_shows_but_does_not_let_read_is_said(visit):
    page = visit()
    markup = """<svg xmlns="http://www.w3.org/2000/svg" width="80" height="60"><foreignObject
        width="80" height="60"><p xmlns="http://www.w3.org/1999/xhtml">a</p></foreignObject></svg>"""
    image = {"name": "a.svg", "mimeType": "image/svg+xml", "buffer": markup.encode()}
    page.locator("#file").set_input_files(image)
    until(page, lambda: page.locator("#status.bad").count() == 1)
    assert page.locator("#image-dialog").is_hidden()


def test_a_model_that_generates_sketches_keeps_pairs_the_right_way_round(visit, draw_server):
    domains = {
        "input": {"name": "photo", "channels": 3},
        "target": {"name": "sketch", "channels": 1},
    }
    page = visit(routes={"**/api/state*": answer_state(domains=domains, examples=0)})
    Hand(page).mouse(*LINE)
    status(page, "Generated")
    page.locator("#keep").click()
    page.locator("#pairs").click()
    assert page.locator("#pairs-list img").first.evaluate(DECODE)["middle"] == list(BLUE)
    page.keyboard.press("Escape")
    give(page, "paste")
    until(page, page.locator("#as-sketch").is_visible)
    assert page.locator("#as-trace").is_hidden()
    assert page.locator("#as-style").is_hidden()


def test_a_traced_photo_is_shown_but_not_part_of_the_sketch(visit, draw_server):
    page = visit()
    Hand(page).mouse(*LINE)
    give(page, "paste")
    page.locator("#as-trace").click()
    until(page, lambda: page.locator("#trace").is_visible())
    assert ink(page).shape == (512, 1024)
    assert ink(page).min() == 255
    Hand(page).mouse((600, 100), (700, 100), (900, 100))
    until(page, lambda: page.locator("#history button").count() == 2)
    sent = np.asarray(Image.open(io.BytesIO(page.sent[-1].post_data_buffer)).convert("L"))
    height, width = sent.shape
    assert sent[height // 2, width // 4] == 255  # the disc
    assert sent.min() < 128  # the stroke
    page.locator("#opacity").fill("80")
    assert page.locator("#trace").evaluate("t => getComputedStyle(t).opacity") == "0.8"
    page.reload()
    status(page, "Generated")
    assert page.locator("#trace").is_visible()
    page.locator("#keep").click()
    page.locator("#pairs").click()
    kept = page.locator("#pairs-list img").nth(1).evaluate(DECODE)
    assert kept["middle"] == [0, 0, 0]  # the traced photo is the pair's photo
    until(page, lambda: draw_server.saved["pairs"])
    page.keyboard.press("Escape")
    page.locator("#untrace").click()
    assert page.locator("#trace").is_hidden()


DECODE = """async img => { await img.decode();
    const c = document.createElement('canvas').getContext('2d');
    c.canvas.width = img.naturalWidth; c.canvas.height = img.naturalHeight; c.drawImage(img, 0, 0);
    const [x, y] = [img.naturalWidth / 4, img.naturalHeight / 2];
    return { width: img.naturalWidth, height: img.naturalHeight,
             middle: [...c.getImageData(x, y, 1, 1).data.slice(0, 3)] }; }"""


def test_a_photo_becomes_a_sketch_of_the_chosen_style(visit):
    page = visit()
    give(page, "paste")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    style = page.locator("#style option").last.get_attribute("value")
    page.locator("#style").select_option(style)
    page.locator("#restyle").click()
    until(page, lambda: ink(page).shape == (512, 1024), seconds=30)
    assert any(f"api/sketch?style={style}" in url for url in asked)
    assert ink(page).min() < 200


def test_examples_to_start_with(visit):
    held = []
    page = visit(routes={"**/api/examples/*": hold(held)})
    page.locator("#start").click()
    until(page, lambda: len(held) == 6)  # none waits for another
    assert page.locator("#examples button:disabled").count() == 6
    for route in held[:2]:
        route.continue_()
    page.locator("#examples button").nth(1).click()
    status(page, "Generated")
    assert ink(page).min() < 128
    page.keyboard.press("Control+z")
    assert ink(page).min() == 255


def saved_image(page, selector):
    with page.expect_download() as download:
        page.locator(selector).click()
    with Image.open(download.value.path()) as image:
        image.load()
    return download.value.suggested_filename, image


def test_downloads(visit):
    page = visit()
    assert page.locator("#save-photo").is_disabled()
    Hand(page).mouse(*LINE)
    status(page, "Generated")
    name, sketch = saved_image(page, "#save-sketch")
    assert (name, sketch.size) == ("sketch.png", (1024, 1024))
    assert np.array_equal(np.asarray(sketch.convert("L")), ink(page))
    name, photo = saved_image(page, "#save-photo")
    assert (name, photo.getpixel((9, 9))) == ("photo.png", BLUE)
    with page.expect_request("**/api/label*") as asked:
        name, both = saved_image(page, "#save-both")
    assert f"model={page.locator('#model').input_value()}" in asked.value.url
    assert (name, both.size) == ("sketch-and-photo.png", (2048, 1024))
    assert both.convert("RGB").getpixel((1500, 500)) == BLUE


def test_collected_pairs_are_saved_and_downloaded_in_training_layout(visit, draw_server):
    page = visit()
    hand = Hand(page)
    for y in (300, 500):
        hand.mouse((200, y), (800, y))
        status(page, "Generated")
        page.locator("#keep").click()
        status(page, "Kept pair")
    until(page, lambda: len(draw_server.saved["pairs"]) == 2)
    page.reload()
    status(page, "Generated")
    page.locator("#pairs").click()
    with page.expect_download() as download:
        page.locator("#save-pairs").click()
    names = {f"{folder}/drawn-000{i}.png" for folder in ("sketches", "photos") for i in (1, 2)}
    with zipfile.ZipFile(download.value.path()) as archive:
        assert {name for name in archive.namelist() if name.endswith(".png")} == names
    page.locator("#drop-pairs").click()  # Playwright answers the question with no
    assert page.locator("#pairs-list li").count() == 2
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Remove pair drawn-0001").click()
    assert page.locator("#pairs-list li").count() == 1
    page.locator("#drop-pairs").click()
    until(page, lambda: page.locator("#pairs").inner_text() == "Pairs (0)")
