"""The page by keyboard, on small screens, for screen readers, and for models of other images."""

from pathlib import Path

import pytest

from .conftest import Hand, answer_state, ink, status, until

AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
LINE = ((200, 300), (500, 300), (800, 300))
DIALOGS = ["", "help", "start", "pairs", "image"]
SMALL = """() => [...document.querySelectorAll('button, select, input, label')].filter(e => {
    const r = e.getBoundingClientRect();
    return r.width > 1 && !e.closest('label')?.querySelector('select') && e.type !== 'checkbox'
        && (r.height < 44 || r.width < 44); }).map(e => e.id || e.textContent)"""


def drawn_page(visit, **options):
    page = visit(**options)
    Hand(page).mouse(*LINE)
    status(page, "Generated")
    page.locator("#keep").click()
    return page


def test_targets_are_large_and_nothing_is_cut_off(visit):
    page = drawn_page(visit, has_touch=True)
    for width in (1280, 768, 360):
        page.set_viewport_size({"width": width, "height": 740})
        assert_all_fits(page, width)


def assert_all_fits(page, width):
    assert page.evaluate("() => document.documentElement.scrollWidth") == width
    assert page.evaluate(SMALL) == []
    outside = """() => [...document.querySelectorAll('button, select, input')].filter(e =>
        !e.matches('.hidden, nav *') && e.getBoundingClientRect().right > innerWidth + 1)
        .map(e => e.id)"""
    assert page.evaluate(outside) == []
    heights = "() => ['stage', 'figure'].map(i => document.getElementById(i).offsetHeight)"
    first, second = page.evaluate(heights)
    assert first == second
    missing = """model => { const width = model.offsetWidth;
        model.style.cssText = 'width: max-content; max-width: none';
        return model.offsetWidth - width; }"""
    assert page.locator("#model").evaluate(missing) <= 0  # its title is not cut off
    top = page.locator("#stage").bounding_box()["y"]
    page.locator("#status").evaluate("status => { status.textContent += ' and more'.repeat(9); }")
    assert page.locator("#stage").bounding_box()["y"] == top  # words do not move the paper


def test_axe_finds_nothing(visit):
    if not AXE.exists():
        pytest.skip("axe-core is not installed: run npm ci in web/")
    page = drawn_page(visit)
    page.evaluate(AXE.read_text(encoding="utf-8") + "; 0")
    for dialog in DIALOGS:
        if dialog == "image":
            page.locator("#image-dialog").evaluate("dialog => dialog.showModal()")
        elif dialog:
            page.locator(f"#{dialog}").click()
        # In the other scheme, only the colours are others.
        for scheme, rules in (("light", {}), ("dark", {"runOnly": ["color-contrast"]})):
            page.emulate_media(color_scheme=scheme)
            found = page.evaluate("async rules => (await axe.run(rules)).violations", rules)
            faults = [(fault["id"], [node["html"] for node in fault["nodes"]]) for fault in found]
            assert faults == [], (dialog, scheme)
        page.keyboard.press("Escape")


def test_every_control_is_reached_by_keyboard_and_shows_its_focus(visit):
    page = drawn_page(visit)
    wanted = page.evaluate(
        """() => [...document.querySelectorAll('button:enabled, select, input:enabled, #stage')]
        .filter(e => e.checkVisibility() && e.tabIndex >= 0 && !e.closest('dialog')).length"""
    )
    seen = set()
    page.locator("h1").click()
    for _ in range(wanted):
        page.keyboard.press("Tab")
        seen.add(
            page.evaluate(
                """() => { const e = document.activeElement, s = getComputedStyle(e);
                return `${e.id || e.ariaLabel} ${s.outlineStyle} ${s.outlineWidth}`; }"""
            )
        )
    assert len(seen) == wanted
    assert all(entry.endswith(" solid 3px") for entry in seen), seen


def test_keys_choose_tools_and_are_listed(visit):
    page = visit()
    for key, tool in (("s", "shade"), ("e", "eraser"), ("b", "pencil")):
        page.keyboard.press(key)
        assert page.locator(f"#{tool}").get_attribute("aria-pressed") == "true"
    page.keyboard.press("]")
    wide = int(page.locator("#width").input_value())
    page.keyboard.press("[")
    page.keyboard.press("[")
    assert int(page.locator("#width").input_value()) < wide
    page.keyboard.press("?")
    assert "Mirror symmetry" in page.locator("#keys").inner_text()
    page.keyboard.press("e")  # not while a dialog is open
    assert page.locator("#eraser").get_attribute("aria-pressed") == "false"
    page.locator("#single-keys").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("e")
    assert page.locator("#eraser").get_attribute("aria-pressed") == "false"


def test_the_page_asks_nothing_outside(visit, draw_server):
    page = visit()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    status(page, "Ready")
    Hand(page).mouse(*LINE)
    status(page, "Generated")
    outside = [u for u in asked if not u.startswith((draw_server.origin, "blob:", "data:"))]
    assert asked
    assert outside == []
    assert "A generated face is an invention" in page.locator("footer").inner_text()


def test_words_and_colours_follow_the_models_domains(visit):
    domains = {"input": {"name": "map", "channels": 3}, "target": {"name": "aerial", "channels": 3}}
    page = visit(routes={"**/api/state*": answer_state(domains=domains)})
    assert page.locator("#save-sketch").inner_text() == "Map"
    assert page.locator("#save-photo").inner_text() == "Aerial image"
    assert "Each of these is a map" in page.locator("#start-dialog p").text_content()
    page.locator("#colour").fill("#d02020")
    page.locator("#width").fill("20")
    Hand(page).mouse(*LINE)
    status(page, "Generated the aerial image")
    pixel = "c => [...c.getContext('2d').getImageData(500, 300, 1, 1).data]"
    assert page.locator("#paper").evaluate(pixel) == pytest.approx([0xD0, 0x20, 0x20, 255], abs=2)


def refuse(route):
    route.fulfill(status=400, json={"message": "the model is damaged"})


def test_another_model_is_chosen_and_gives_the_paper_its_proportions(visit):
    models = [
        {"name": "faces", "title": "Faces", "size": [256, 256]},
        {"name": "streets", "title": "Streets", "size": [128, 256]},
    ]
    now = {"status": "ready", "model": "faces", "size": [256, 256], "models": models}

    def state(route):
        if now["status"] == "loading" and "since=loading" in route.request.url:
            now["status"] = "ready"
        elif f"since={now['status']}" in route.request.url:
            return  # nothing has changed
        route.fulfill(json=route.fetch().json() | now)

    def choose(route):
        name = route.request.post_data_json["name"]
        now.update(status="loading", model=name, size=[128, 256])
        route.fulfill(status=202)

    page = visit(routes={"**/api/model": refuse, "**/api/state*": state})
    page.locator("#model").select_option("streets")
    status(page, "the model is damaged")
    assert page.locator("#model").input_value() == "faces"
    page.route("**/api/model", choose)
    assert page.locator("#model option").all_inner_texts() == ["Faces", "Streets"]
    page.locator("#model").select_option("streets")
    until(page, lambda: ink(page).shape == (512, 1024))
    status(page, "Ready")
    assert page.locator("#model").input_value() == "streets"
