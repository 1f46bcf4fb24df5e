"""The page: one file, one request, and a proof that fails when a rule or a derivative on it is wrong."""

import re
from pathlib import Path

import pytest
from chromium import opened

from tinygrad_edu.cli.main import main
from tinygrad_edu.lab.page import digest


def with_policy(text):
    """A page whose script was changed, with the policy that lets it run."""
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    return re.sub(r"script-src &#x27;[^;]*&#x27;", f"script-src &#x27;{digest(script)}&#x27;", text, count=1)


def planted(text, right, wrong):
    assert text.count(right) >= 1
    return with_policy(text.replace(right, wrong, 1))


def test_the_page_is_one_small_file_whose_policy_names_its_script_and_style(made):
    assert len(made.encode()) < 600_000
    assert "default-src &#x27;none&#x27;; script-src" in made
    assert with_policy(made) == made
    names = r"www\.w3\.org/"  # of the kinds of elements, which nobody asks for
    assert not re.findall(rf'(?:src|href)="(?!\$)|https?://(?!{names})|@import|url\(', made)


def test_the_command_writes_it(tmp_path, capsys, made):
    assert main(["lab", "--out", str(tmp_path / "new" / "lab.html")]) == 0
    assert (tmp_path / "new" / "lab.html").read_text(encoding="utf-8") == made
    assert capsys.readouterr().out.startswith("wrote ")


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (320, "light")])
def test_the_page_proves_itself_and_trains_by_mouse_and_by_keyboard(browser, tmp_path, made, width, scheme):
    tab, requests, messages = opened(
        browser, tmp_path, made, viewport={"width": width, "height": 900}, color_scheme=scheme
    )
    assert re.fullmatch(r"✓ (\d+) of \1 runs are the library's, to \de-1\d", tab.inner_text("#verdict"))
    assert (len(requests), messages) == (1, [])
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    count = tab.inner_text("#verdict").split(" runs")[0].removeprefix("✓ ")
    for picture in sorted(Path("docs").glob("lab*.png")):
        assert f"runs\0{count}".encode() in picture.read_bytes(), f"python docs/lab_pictures.py  # {picture} is old"
    tab.click("#step")
    assert tab.inner_text("#t") == "1"
    tab.focus("#epoch")
    tab.keyboard.press("Enter")
    assert tab.inner_text("#t") == "15"  # the rest of the epoch: 240 samples are 15 batches of 16
    tab.click("#play")
    tab.wait_for_timeout(300)
    tab.click("#play")
    assert int(tab.inner_text("#t")) > 15
    tab.select_option("#rule", "lion")
    assert tab.inner_text("#t") == "0"
    assert "Math.sign" in tab.text_content("#kernel")
    assert messages == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("p[i] = keep * p[i] - lr * (c1 * m[i]) / u[i];", "p[i] = keep * p[i] + lr * (c1 * m[i]) / u[i];"),
        ("const u = np.add(g, np.multiply(momentum,", "const u = np.subtract(g, np.multiply(momentum,"),
        ("turn(v, n, p, q, n, 1, c, t * c);", "turn(v, n, p, q, n, 1, c, -t * c);"),
        ("const dv_2_dh = h;", "const dv_2_dh = np.negative(h);"),
        ("const d_v3 = np.multiply(np.multiply(d_v4, 2), v3);", "const d_v3 = np.multiply(np.multiply(d_v4, -2), v3);"),
        (
            '["d_z1", ({d_h1, h1}) => np.multiply(d_h1, np.subtract(1, np.multiply(h1, h1)))]',
            '["d_z1", ({d_h1, h1}) => np.multiply(d_h1, np.add(1, np.multiply(h1, h1)))]',
        ),
        ("0.5 - Math.sin(t)", "0.6 - Math.sin(t)"),
    ],
    ids=["rule", "rule of matrices", "eigenvectors", "derivative of a graph", "derivative", "network", "data"],
)
def test_a_wrong_sign_is_seen_and_turns_free_play_off(browser, tmp_path, made, right, wrong):
    tab, _, _ = opened(browser, tmp_path, planted(made, right, wrong))
    assert re.fullmatch(r"✗ \d+ of \d+ runs are not the library's: free play is off", tab.inner_text("#verdict"))
    assert all(tab.is_disabled(f"#{name}") for name in ("play", "step", "epoch", "reset"))
