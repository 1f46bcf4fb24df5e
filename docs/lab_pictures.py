"""Take the pictures of the lab again, from the page as the source makes it: `python docs/lab_pictures.py`.

Needs Playwright, Pillow and Chromium. Each picture keeps the count of its badge, with which `tests/lab/test_page.py`
compares that of the page. `--out FOLDER` writes elsewhere, `--only lab_backprop` one of them.
"""

import argparse
import io
import shutil
import tempfile
from pathlib import Path

from PIL import Image, PngImagePlugin
from playwright.sync_api import sync_playwright

from tinygrad_edu.lab.page import page

TASK = "Play with one unit, then with two. How many does a closed boundary need?"
LEFT_OUT = "lead-speed-data-model-closer-rule-lines-layers-python-inputs"
# by name: the link, the size of the screen (of height 0: as high as the page is), and what is done before the picture
PICTURES = {
    "lab": (
        "tab=playground&data=circles&batch=64&rule=sgd&h.lr=0.1&t=160",
        (1240, 880),
        "$('rule').value = 'adam'; $('rule').onchange(); for (let k = 0; k < 40; k++) $('epoch').click();",
    ),
    "lab_projector": (
        f"tab=playground&data=circles&layers=3&t=300&projector=1&hide={LEFT_OUT}&task={TASK}",
        (1280, 720),
        "",
    ),
    "lab_optimizers": (
        "tab=optimizers&surface=ravine&rules=sgd,heavy_ball,rmsprop,adam&lr=0.08&t=40&focus=adam",
        (1240, 0),
        "",
    ),
    "lab_backprop": ("tab=backprop&graph=meeting&at=5", (1180, 0), ""),
}


def taken(tab, link, size, before):
    """Return the page that a link shows, as a picture."""
    tab.set_viewport_size({"width": size[0], "height": size[1] or 900})
    tab.evaluate("(link) => { follow('#' + link); scrollTo(0, 0); }", link)
    tab.evaluate(f"() => {{ {before} document.activeElement.blur(); }}")
    tab.mouse.move(0, 0)
    tab.wait_for_timeout(300)
    return Image.open(io.BytesIO(tab.screenshot(full_page=not size[1])))


def save(picture, path, count):
    """Write a picture as a small PNG, of 255 colours, with the count of runs in it."""
    note = PngImagePlugin.PngInfo()
    note.add_text("runs", count)
    picture.convert("RGB").quantize(255, dither=Image.Dither.NONE).save(path, optimize=True, pnginfo=note)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--only", choices=PICTURES)
    args = parser.parse_args()
    with sync_playwright() as running, tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "lab.html")
        file.write_text(page(0), encoding="utf-8")
        chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        browser = running.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(color_scheme="light")
        tab.goto(file.as_uri())
        tab.wait_for_selector("#badge.good", timeout=120_000)
        count = tab.inner_text("#verdict").split(" runs")[0].removeprefix("✓ ")
        for name in [args.only] if args.only else PICTURES:
            save(taken(tab, *PICTURES[name]), args.out / f"{name}.png", count)
            print(args.out / f"{name}.png", count)
        browser.close()


if __name__ == "__main__":
    main()
