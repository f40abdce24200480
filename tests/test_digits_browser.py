"""The sheet to draw on, in a real browser: mouse, undo, clear, keyboard."""

from __future__ import annotations

from playwright.sync_api import Page, expect


def draw(page: Page, points: list[tuple[float, float]]) -> None:
    """Draw one stroke; points are fractions of the sheet."""
    sheet = page.get_by_role("application")
    sheet.scroll_into_view_if_needed()
    box = sheet.bounding_box()
    assert box is not None
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=6)
    page.mouse.up()


ENDS = (
    "() => window.dispatchEvent(new Event('blur'))",
    "sheet => sheet.blur()",
    "sheet => sheet.dispatchEvent(new PointerEvent('pointercancel', { pointerId: 1 }))",
    "sheet => sheet.releasePointerCapture(1)",
)


def test_a_digit_is_drawn_taken_back_and_drawn_by_keyboard(page, address):
    page.goto(f"{address}/Learn?scene=digits&digit=draw")
    waiting = page.get_by_text("Draw a digit, or choose a sample by its number.")
    seen = page.get_by_text("What you just saw")
    expect(waiting).to_be_visible()
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()

    draw(page, [(0.5, 0.15), (0.5, 0.85)])
    expect(page.get_by_text("read as 1")).to_be_visible()
    expect(seen).to_have_count(0)
    page.get_by_role("button", name="Show me").click()
    expect(seen).to_be_visible()
    draw(page, [(0.5, 0.15), (0.22, 0.15)])
    expect(page.get_by_text("read as 7")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("read as 1")).to_be_visible()

    page.get_by_text("4", exact=True).first.click()  # a sample, and back: the drawing is kept
    expect(page.get_by_text("read as 4")).to_be_visible()
    page.get_by_text("draw", exact=True).first.click()
    expect(page.get_by_text("read as 1")).to_be_visible()

    # A stroke that the pointer does not end: the window loses the focus, or the system takes the pointer away.
    sheet = page.get_by_role("application")
    box = sheet.bounding_box()
    for end in ENDS:
        page.get_by_role("button", name="Clear").click()
        expect(waiting).to_be_visible()
        page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.15 * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.85 * box["height"], steps=6)
        sheet.evaluate(end)
        page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.85 * box["height"], steps=3)  # still held: no ink
        expect(page.get_by_text("read as 1")).to_be_visible()
        page.mouse.up()
        draw(page, [(0.5, 0.15), (0.22, 0.15)])  # and the pen writes on
        expect(page.get_by_text("read as 7")).to_be_visible()

    page.get_by_role("button", name="Clear").click()
    expect(waiting).to_be_visible()
    expect(seen).to_have_count(0)
    sheet.focus()
    for key in [*["ArrowUp"] * 6, " ", *["ArrowDown"] * 12, " "]:
        sheet.press(key)
    expect(page.get_by_text("read as 1")).to_be_visible()
