"""The panels that run a model in the page, in a browser and in real time, beside the package."""

import base64
import importlib.util
import io
import json
import re
import sys
import tarfile
from importlib.resources import files
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from browser import CARD, CHROMIUM, Browser
from PIL import Image

import ood_helpers as ood

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "book" / "_static" / "laboratory"
SITE = ROOT / "_build" / "html"
PAGE = SITE / "book" / "laboratory.html"
PACKED = SITE / "_static" / "laboratory" / "assets.js"
SOLVERS = ("ddim", "heun", "ab2", "dpm2m")
NO_BROWSER = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
BUILT = [
    pytest.mark.site,
    NO_BROWSER,
    pytest.mark.skipif(not PACKED.exists(), reason="the book has not been built, or without onnxruntime-web"),
]
HELPERS = """
    const numbersOf = (text) => new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
    const textOf = (z) => btoa(Array.from(new Uint8Array(z.buffer), (c) => String.fromCharCode(c)).join(""));
"""


def text_of(x):
    return base64.b64encode(x.float().contiguous().numpy().tobytes()).decode()


def numbers_of(text, shape):
    return torch.from_numpy(np.frombuffer(base64.b64decode(text), np.float32).copy()).reshape(shape)


# ---- the mathematics, against closed forms


@pytest.fixture(scope="module")
def mathematics():
    """A page that has walk.js and the exact predictor of one Gaussian, N(0.3, 0.25), for the linear schedule."""
    with Browser() as page:
        page.run(
            f"{(SCRIPTS / 'walk.js').read_text()}; {HELPERS} Object.assign(globalThis, {{ numbersOf, textOf }}); 0"
        )
        page.run(f"globalThis.table = {ood.alphas_cumprod('linear').tolist()}; 0")
        page.run("""globalThis.exact = async (x, t) => {
            const a = Walk.alphaAt(table, t), mean = Math.sqrt(a) * 0.3, variance = a * 0.25 + 1 - a;
            return x.map((v) => (Math.sqrt(1 - a) / variance) * (v - mean));
        }; 0""")
        yield page


@pytest.fixture(scope="module")
def gaussian():
    return ood.gaussian_model(torch.full((3, 8, 8), 0.3, dtype=torch.float64), torch.full((3, 8, 8), 0.25).double())


@NO_BROWSER
@pytest.mark.parametrize(("t", "steps"), [(800, 12), (999, 7), (200, 33), (0, 1), (37, 38), (800, 1)])
@pytest.mark.parametrize(("solver", "grid"), [("ddim", "uniform"), ("dpm2m", "log-snr")])
def test_levels_are_those_of_the_package(mathematics, gaussian, t, steps, solver, grid):
    found = mathematics.run(f"Walk.levels(table, {t}, {steps}, '{solver}').map((l) => [l.t, l.sigma])")
    expected = ood.inversion_levels(gaussian.alphas_cumprod, t, steps, grid)
    np.testing.assert_allclose(found, [(level.t, level.sigma) for level in expected], rtol=1e-6, atol=1e-9)


@NO_BROWSER
@pytest.mark.parametrize("solver", SOLVERS)
def test_each_rule_walks_as_the_package_does(mathematics, gaussian, solver):
    x = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(3)).mul(0.5).add(0.3).clamp(-1, 1)
    up, down = json.loads(
        mathematics.run(f"""(async () => {{
        const path = Walk.levels(table, 800, 9, '{solver}'), rule = Walk.RULES['{solver}'];
        const up = await Walk.walk(exact, numbersOf('{text_of(x)}'), path, rule);
        const down = await Walk.walk(exact, up, path.slice().reverse(), rule);
        return JSON.stringify([textOf(up), textOf(down)]);
    }})()""")
    )
    how = {"t": 800, "steps": 9, "solver": solver, "progress": False}
    latent = ood.invert(gaussian, x, **how)
    torch.testing.assert_close(numbers_of(up, x.shape), latent, rtol=0, atol=2e-5)
    torch.testing.assert_close(numbers_of(down, x.shape), ood.denoise(gaussian, latent, **how), rtol=0, atol=2e-5)


@NO_BROWSER
@pytest.mark.parametrize("eta", [0.3, 1.0])
def test_the_noisy_walk_with_the_same_noise_is_the_same(mathematics, gaussian, eta):
    steps, x = 10, torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(4))
    drawn = torch.randn(steps, 3, 8, 8, generator=torch.Generator().manual_seed(5))
    found = mathematics.run(f"""(async () => {{
        const noise = numbersOf('{text_of(drawn)}'); let k = 0;
        const rule = Walk.noisy({eta}, () => noise.subarray(192 * k, 192 * ++k));
        const path = Walk.levels(table, 800, {steps}).reverse();
        return textOf(await Walk.walk(exact, numbersOf('{text_of(x)}'), path, rule));
    }})()""")
    rest = iter(drawn[:, None])
    rule = ood.ddim_eta(eta, lambda: next(rest))
    levels = ood.generation_levels(gaussian.alphas_cumprod, 800, steps)
    *_, (_, expected) = ood.path(gaussian, x, levels, rule)
    torch.testing.assert_close(numbers_of(found, x.shape), expected, rtol=0, atol=2e-5)


@NO_BROWSER
def test_new_latents_and_measures_are_those_of_the_package(mathematics):
    generator = torch.Generator().manual_seed(6)
    cloud = torch.randn(9, 3, 8, 8, generator=generator) + 0.2
    found = json.loads(mathematics.run(f"""(() => {{
        const all = numbersOf('{text_of(cloud)}'), part = (_, i) => all.subarray(192 * i, 192 * (i + 1));
        const z = Array.from({{ length: 9 }}, part);
        const draws = Float32Array.of(9, 0.5, -1.25, 0.75);
        const made = [Walk.lerp(z[0], z[1], 0.3), Walk.slerp(z[0], z[1], 0.3), Walk.centered(z, 4, 0.6, draws)];
        return JSON.stringify([made.map(textOf), Walk.radius(z[0]), Walk.angle(z[0], z[1]), Walk.neighbors(z[0], 8),
                               Walk.error(z[0], z[1])]);
    }})()"""))  # fmt: skip
    made, radius, angle, neighbors, error = found
    line, arc, among = (numbers_of(one, (1, 3, 8, 8)) for one in made)
    a, b = cloud[:1], cloud[1:2]
    equal = f"Array.from({{ length: 9 }}, (_, i) => numbersOf('{text_of(cloud)}').subarray(192 * i, 192 * (i + 1)))"
    assert max(mathematics.run(f"{equal}.map((z) => Walk.angle(z, z))")) == pytest.approx(0, abs=1e-5)
    torch.testing.assert_close(line, ood.lerp(a, b, 0.3), rtol=0, atol=1e-5)
    torch.testing.assert_close(arc, ood.slerp(a, b, 0.3), rtol=0, atol=1e-5)
    assert radius == pytest.approx(float(a.norm()) / a.numel() ** 0.5, rel=1e-5)
    cosine = torch.cosine_similarity(a.flatten(), b.flatten(), dim=0)
    assert angle == pytest.approx(float(cosine.arccos().rad2deg()), rel=1e-4)
    centered = a - a.mean()
    assert neighbors == pytest.approx(
        float((centered[..., 1:] * centered[..., :-1]).mean() / centered.square().mean()), abs=1e-5
    )
    assert error == pytest.approx(float((a - b).abs().mean()) / 2, rel=1e-5)
    # "centered" of the package draws its weights; with these they are |draws|, and the first one's share is 0.6
    mean = cloud.mean(0)
    offsets = (cloud - mean).flatten(1)
    members = torch.cdist(offsets, offsets).fill_diagonal_(-1).argsort(dim=1)[4, :4]
    w = torch.tensor([0.0, 0.5, 1.25, 0.75])
    w = w * (0.4**0.5 / w.norm())
    w[0] = 0.6**0.5
    z = w @ offsets[members]
    z = z * ((w.square() * offsets[members].square().sum(1)).sum().sqrt() / z.norm())
    torch.testing.assert_close(among[0], mean + z.reshape(mean.shape), rtol=0, atol=1e-5)


@NO_BROWSER
def test_fresh_noise_is_standard_normal_and_follows_its_seed(mathematics):
    """Mean and variance of 100,000 within five standard errors; the Kolmogorov distance below its 1e-6 quantile."""
    from scipy import stats

    x = np.array(mathematics.run("Array.from(Walk.normals(7)(100000))"))
    assert abs(x.mean()) < 5 / len(x) ** 0.5 and abs(x.var() - 1) < 5 * (2 / len(x)) ** 0.5
    assert stats.kstest(x, "norm").pvalue > 1e-6
    assert mathematics.run("Walk.normals(7)(3).join() === Walk.normals(7)(3).join()")
    assert mathematics.run("Walk.normals(7)(3).join() !== Walk.normals(8)(3).join()")


# ---- the built page


def started(page, kind, seconds=120):
    """Press Start in a panel and wait until its first walk has ended."""
    box = f"document.querySelector('[data-panel={kind}]')"
    page.run(f"{box}.querySelector('button').click()")
    settled(page, kind, seconds)
    return box


def settled(page, kind, seconds=60):
    box = f"document.querySelector('[data-panel={kind}]')"
    page.wait(f"/evaluations|did not work/.test({box}.querySelector('.status').textContent) && "
              f"{box}.getAttribute('aria-busy') === 'false'", seconds)  # fmt: skip
    return page.run(f"{box}.querySelector('.status').textContent")


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory):
    """The laboratory's page, opened from a disk; its model is loaded."""
    with Browser(1280, 1400) as page:
        page.open(PAGE.as_uri())
        page.before = list(page.asked)
        started(page, "walk")
        yield page


def built(test):
    for mark in BUILT:
        test = mark(test)
    return test


@built
def test_nothing_is_loaded_before_start_and_little_after(laboratory):
    """From a disk; no other host is asked."""
    assert all(address.startswith(("file:", "blob:", "data:")) for address in laboratory.asked)
    packed = [address for address in laboratory.asked if re.search(r"laboratory/\w[\w-]*\.\d+\.js|assets\.js", address)]
    assert packed and not set(packed) & set(laboratory.before)
    assert sum(Path(address.removeprefix("file://")).stat().st_size for address in packed) < 20e6
    assert laboratory.errors == []


@built
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_network_in_the_page_walks_as_the_package_does(laboratory, solver):
    """The same church, 12 steps up and down: latent and copy agree to 1e-3 in float32."""
    image = ood.load_domain("church", 1, 64, 2)
    up, down = json.loads(
        laboratory.run(f"""(async () => {{
        {HELPERS}
        const {{ predict, table }} = await Laboratory.predictor('toy-dog', () => {{}});
        const path = Walk.levels(table, 800, 12, '{solver}'), rule = Walk.RULES['{solver}'];
        const up = await Walk.walk(predict, numbersOf('{text_of(image)}'), path, rule);
        const down = await Walk.walk(predict, up, path.slice().reverse(), rule);
        return JSON.stringify([textOf(up), textOf(down)]);
    }})()""")
    )
    model = ood.load_model("toy-dog", device="cpu")
    how = {"t": 800, "steps": 12, "solver": solver, "precision": "float32", "progress": False}
    latent = ood.invert(model, image, **how)
    torch.testing.assert_close(numbers_of(up, image.shape), latent, rtol=0, atol=1e-3)
    torch.testing.assert_close(numbers_of(down, image.shape), ood.denoise(model, latent, **how), rtol=0, atol=1e-3)


@built
def test_the_noisy_walk_of_the_network_with_the_same_noise_is_the_same(laboratory):
    latent = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(8))
    drawn = torch.randn(8, 1, 3, 64, 64, generator=torch.Generator().manual_seed(9))
    found = laboratory.run(f"""(async () => {{
        {HELPERS}
        const {{ predict, table }} = await Laboratory.predictor('toy-dog', () => {{}});
        const noise = numbersOf('{text_of(drawn)}'); let k = 0;
        const rule = Walk.noisy(0.6, () => noise.subarray(12288 * k, 12288 * ++k));
        const path = Walk.levels(table, 800, 8).reverse();
        return textOf(await Walk.walk(predict, numbersOf('{text_of(latent)}'), path, rule));
    }})()""")  # fmt: skip
    model = ood.load_model("toy-dog", device="cpu")
    levels = ood.generation_levels(model.alphas_cumprod, 800, 8)
    rest = iter(drawn)
    *_, (_, expected) = ood.path(model, latent, levels, ood.ddim_eta(0.6, lambda: next(rest)), precision="float32")
    torch.testing.assert_close(numbers_of(found, latent.shape), expected, rtol=0, atol=1e-3)


@built
def test_pictures_and_latents_are_those_of_the_package(laboratory):
    """Pictures to half a gray level; latents, kept in half precision, to its rounding."""
    found = laboratory.run(f"""(async () => {{
        {HELPERS}
        return [textOf(await Laboratory.picture('sketch', 3, () => {{}})),
                textOf((await Laboratory.cloud('cat', () => {{}}))[2])];
    }})()""")
    picture, latent = (numbers_of(one, (1, 3, 64, 64)) for one in found)
    torch.testing.assert_close(picture[0], ood.load_domain("sketch", 4, 64, 2)[3], rtol=0, atol=0.51 / 127.5)
    model = ood.load_model("toy-dog", device="cpu")
    how = {"t": 800, "steps": 12, "solver": "unipc", "precision": "float32", "progress": False}
    expected = ood.invert(model, ood.load_domain("cat", 3, 64, 2)[2:], **how)
    torch.testing.assert_close(latent, expected, rtol=2e-3, atol=2e-3)


@built
def test_the_judge_in_the_page_gives_the_odds_of_the_package(laboratory):
    image = ood.load_domain("dog", 1, 64, 0) * 0.7 + ood.load_domain("church", 1, 64, 0) * 0.3
    found = laboratory.run(f"""(async () => {{
        {HELPERS}
        return await (await Laboratory.judge(() => {{}}))(numbersOf('{text_of(image)}'), 'dog', 'church');
    }})()""")
    assert found == pytest.approx(float(ood.capture_odds(image, "dog", "church")[0]), abs=1e-3)


@built
def test_a_walk_of_twelve_takes_three_seconds_at_most(laboratory):
    """Thirteen evaluations by dpm2m, the best of three: other work on this machine is not the page's."""
    seconds = min(
        laboratory.run("""(async () => {
            const { predict, table } = await Laboratory.predictor('toy-dog'), start = performance.now();
            const path = Walk.levels(table, 800, 12, 'dpm2m');
            await Walk.walk(predict, Walk.normals(1)(12288), path, Walk.RULES.dpm2m);
            return (performance.now() - start) / 1000;
        })()""")
        for _ in range(3)
    )
    assert seconds <= 3


@built
def test_a_second_panel_shares_the_model_and_memory_stays_small(laboratory):
    def models():
        return [address for address in laboratory.asked if re.search(r"(toy-dog|wasm)\.\d+\.js", address)]

    before = models()
    assert started(laboratory, "noise") and "judge says" in settled(laboratory, "noise")
    assert started(laboratory, "between") and "Nearest of 12" in settled(laboratory, "between")
    assert models() == before
    below = psutil.Process(laboratory.process.pid).children(recursive=True)
    renderers = [one for one in below if "--type=renderer" in one.cmdline()]
    assert max(p.memory_full_info().uss for p in renderers) < 300e6


@built
def test_a_walk_can_be_stopped_and_started_again(laboratory):
    box = "document.querySelector('[data-panel=walk]')"
    press = f"Array.from({box}.querySelectorAll('button')).find((b) => b.textContent === '%s').click()"
    laboratory.run(press % "Run")
    laboratory.wait(f"/step [1-9]/.test({box}.querySelector('.now').textContent)")
    laboratory.run(press % "Stop")
    laboratory.wait(f"{box}.querySelector('.status').textContent === 'Stopped.'", 10)
    laboratory.run(press % "Run")
    assert "Mean absolute error" in settled(laboratory, "walk")


@built
def test_a_run_that_replaces_another_does_not_say_that_it_was_stopped(laboratory):
    """A slider that is still dragged changes nothing in a run that goes on."""
    box = "document.querySelector('[data-panel=walk]')"
    status = f"{box}.querySelector('.status')"
    laboratory.run(f"{box}.told = []; new MutationObserver(() => {box}.told.push({status}.textContent))"
                   f".observe({status}, {{ childList: true }}); 0")  # fmt: skip
    height, steps = (f"{box}.querySelectorAll('input[type=range]')[{k}]" for k in (1, 2))
    laboratory.run(f"{steps}.value = 9; {steps}.dispatchEvent(new Event('change')); 0")
    laboratory.wait(f"/step [1-9]/.test({box}.querySelector('.now').textContent)")
    laboratory.run(f"{steps}.value = 8; {steps}.dispatchEvent(new Event('change')); 0")
    laboratory.wait(f"/step [1-9] of 8/.test({box}.querySelector('.now').textContent)")
    laboratory.run(f"{height}.value = 300; 0")
    assert "18 evaluations" in settled(laboratory, "walk")
    assert "Stopped." not in laboratory.run(f"{box}.told")
    assert "latent, t = 800" in laboratory.run(f"{box}.innerText")
    laboratory.run(f"{height}.value = 800; {steps}.value = 12; 0")


@built
def test_the_keyboard_keeps_its_place_when_a_picture_is_chosen_or_a_run_stopped(laboratory):
    box = "document.querySelector('[data-panel=walk]')"
    third = f"{box}.querySelectorAll('.gallery button')[2]"
    laboratory.run(f"{third}.focus(); {third}.click(); 0")
    settled(laboratory, "walk")
    assert laboratory.run("document.activeElement.getAttribute('aria-label')") == "church 3"
    run, stop = (f"Array.from({box}.querySelectorAll('button')).find((b) => b.textContent === '{name}')"
                 for name in ("Run", "Stop"))  # fmt: skip
    laboratory.run(f"{run}.click()")
    laboratory.wait(f"!{stop}.disabled")
    laboratory.run(f"{stop}.focus(); {stop}.click(); 0")
    laboratory.wait(f"{stop}.disabled")
    assert laboratory.run("document.activeElement.textContent") == "Run"


def pixel_at(page, x, y):
    easel = "document.querySelector('.easel').getContext('2d')"
    return page.run(f"Array.from({easel}.getImageData({x}, {y}, 1, 1).data)")


@built
def test_a_photo_of_the_reader_is_cut_square_and_inverted(laboratory, tmp_path):
    photo = tmp_path / "photo.png"
    Image.fromarray(np.full((300, 500, 3), (200, 30, 60), np.uint8)).save(photo)
    root = laboratory.call("DOM.getDocument")["root"]["nodeId"]
    field = laboratory.call("DOM.querySelector", nodeId=root, selector="[data-panel=walk] input[type=file]")["nodeId"]
    laboratory.run("document.querySelector('[data-panel=walk] .status').textContent = ''")
    laboratory.call("DOM.setFileInputFiles", files=[str(photo)], nodeId=field)
    assert "Mean absolute error" in settled(laboratory, "walk")
    assert pixel_at(laboratory, 9, 200) == [200, 30, 60, 255]
    assert all(address.startswith(("file:", "blob:", "data:")) for address in laboratory.asked)
    clear = tmp_path / "clear.png"
    Image.new("RGBA", (50, 50), (0, 0, 0, 0)).save(clear)  # what is transparent becomes white
    laboratory.run("document.querySelector('[data-panel=walk] .status').textContent = ''")
    laboratory.call("DOM.setFileInputFiles", files=[str(clear)], nodeId=field)
    settled(laboratory, "walk")
    assert pixel_at(laboratory, 9, 200) == [255, 255, 255, 255]


def press(page, key, code=0, text=""):
    for kind in ("keyDown", "keyUp"):
        page.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, text=text)


@built
def test_every_control_is_reached_and_used_by_the_keyboard():
    box = "document.querySelector('[data-panel=between]')"
    with Browser(1280, 1400) as page:
        page.open(PAGE.as_uri())
        page.run(f"{box}.querySelector('button').focus()")
        press(page, "Enter", 13, "\r")
        settled(page, "between", 120)  # the button is gone, the first control has the focus
        reached = []
        while page.run(f"{box}.contains(document.activeElement)"):
            reached.append(
                page.run("document.activeElement.getAttribute('aria-label') || document.activeElement.tagName")
            )
            press(page, "Tab", 9)
        able = page.run(f"{box}.querySelectorAll('button:not(:disabled), select, input').length")
        assert len(reached) == able and "church 12" in reached
        page.run(f"{box}.querySelector('input').focus()")
        press(page, "ArrowRight", 39)
        page.wait(f"{box}.querySelector('output').textContent === '0.55'")
        assert "Nearest of 12" in settled(page, "between")


@built
def test_a_stroke_of_the_mouse_paints_and_the_painting_is_inverted(laboratory):
    laboratory.run("document.querySelector('.easel').scrollIntoView(); 0")
    x, y = laboratory.run("(() => { const b = document.querySelector('.easel').getBoundingClientRect(); "
                          "return [b.left + 20, b.top + 20]; })()")  # fmt: skip
    laboratory.run("document.querySelector('[data-panel=walk] .status').textContent = ''")

    def drag(*steps):
        for kind, step in zip(("mousePressed", "mouseMoved", "mouseMoved", "mouseReleased"), steps, strict=True):
            where = {"x": x + step, "y": y + step, "button": "left", "buttons": int(kind != "mouseReleased")}
            laboratory.call("Input.dispatchMouseEvent", type=kind, clickCount=1, **where)

    before = pixel_at(laboratory, 80, 80)
    drag(-60, 0, 40, 40)  # begins outside
    assert pixel_at(laboratory, 80, 80) == before != [222, 143, 5, 255]
    drag(0, 20, 40, 40)
    assert "Mean absolute error" in settled(laboratory, "walk")
    assert pixel_at(laboratory, 80, 80) == [222, 143, 5, 255]  # #de8f05


@built
@pytest.mark.parametrize(
    "reading", [{"width": 1280, "mode": "light"}, {"width": 390, "mode": "dark"}, {"width": 320, "mode": "dark"}]
)
def test_axe_finds_nothing_in_the_running_panels_and_they_fit(laboratory, reading):
    laboratory.resize(reading["width"], 1400)
    laboratory.run(f"document.documentElement.dataset.theme = '{reading['mode']}'; 0")
    laboratory.run(files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8") + "; 0")
    found = laboratory.run("axe.run('.laboratory').then((r) => r.violations.map((v) => [v.id, v.nodes[0].html]))")
    assert found == []
    assert laboratory.run("document.documentElement.scrollWidth - innerWidth") <= 0


@built
def test_a_graphics_card_computes_the_same():
    """Imitated by the processor, half a minute for one evaluation; a card of this kind is not offered to readers."""
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(10))
    with Browser(flags=CARD) as page:
        page.open(PAGE.as_uri())
        if not page.run("(async () => Boolean(await navigator.gpu?.requestAdapter()))()"):
            pytest.skip("this Chromium imitates no graphics card")
        assert "graphics card" not in page.run("document.querySelector('.laboratory').innerText")
        found = page.run(f"""(async () => {{
            {HELPERS}
            Laboratory.use('webgpu');
            const tag = document.createElement('script'), loaded = new Promise((resolve) => (tag.onload = resolve));
            tag.src = '../_static/laboratory/assets.js';
            document.head.append(tag);
            await loaded;
            const {{ predict }} = await Laboratory.predictor('toy-dog', () => {{}});
            return textOf(await predict(numbersOf('{text_of(x)}'), 500));
        }})()""")
    expected = ood.load_model("toy-dog", device="cpu").eps(x, 500)
    torch.testing.assert_close(numbers_of(found, x.shape), expected, rtol=0, atol=1e-3)


@built
def test_without_webassembly_a_picture_and_a_sentence_remain():
    with Browser() as page:
        page.call("Page.addScriptToEvaluateOnNewDocument", source="delete globalThis.WebAssembly;")
        page.open(PAGE.as_uri())
        assert page.run("document.querySelectorAll('.laboratory img').length") == 3
        assert page.run("document.querySelectorAll('.laboratory button').length") == 0
        assert "needs scripts and WebAssembly" in page.run("document.querySelector('.laboratory').innerText")


@built
@pytest.mark.parametrize("name", ["assets.js", "toy-dog.3.js", "pictures.0.js"])
@pytest.mark.parametrize("instead", [None, "'another page'"])
def test_start_can_be_pressed_again_after_a_file_was_missing(tmp_path, name, instead):
    for entry in [*SITE.iterdir(), *(SITE / "_static").iterdir(), *PACKED.parent.iterdir()]:
        link = tmp_path / entry.relative_to(SITE)
        if entry in (SITE / "_static", PACKED.parent):
            link.mkdir()
        else:
            link.symlink_to(entry)
    file = tmp_path / "_static" / "laboratory" / name
    file.unlink()
    if instead:
        file.write_text(instead)
    with Browser() as page:
        page.open((tmp_path / "book" / "laboratory.html").as_uri())
        box = "document.querySelector('[data-panel=walk]')"
        page.run(f"{box}.querySelector('button').focus(); {box}.querySelector('button').click(); 0")
        page.wait(f"/did not work/.test({box}.querySelector('.status').textContent)")
        assert f"{name} {'holds something else' if instead else 'could not be loaded'}" in page.run(f"{box}.innerText")
        assert "Start" in page.run("document.activeElement.textContent")
        file.unlink(missing_ok=True)
        file.symlink_to(PACKED.parent / name)
        started(page, "walk")
        assert "Mean absolute error" in settled(page, "walk")
        other = page.run("document.querySelector('[data-panel=noise] button').textContent")
        assert other.startswith("Start: loads 1.0 MB more")  # the judge


@built
def test_it_works_from_a_subfolder_of_a_server(tmp_path):
    import functools
    import http.server
    import threading

    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "book").symlink_to(SITE)

    class Silent(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Silent, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with Browser() as page:
        page.open(f"http://127.0.0.1:{server.server_port}/some/book/notebooks/09_domain_transfer.html")
        started(page, "between")
        assert "Nearest of 12" in settled(page, "between")
        assert {address.split("/")[2] for address in page.asked if address.startswith("http")} == {
            f"127.0.0.1:{server.server_port}"
        }
    server.shutdown()


# ---- what is fetched, packed and written into pages


def script(name, folder="book"):
    sys.path[:0] = [str(ROOT / "book"), str(ROOT / "book" / "_ext")]
    try:
        spec = importlib.util.spec_from_file_location(name, ROOT / folder / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        del sys.path[:2]
    return module


def test_another_archive_than_the_one_that_is_known_is_refused(tmp_path, monkeypatch, capsys):
    runtime = script("get_runtime")
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for name in runtime.FILES.values():
            tar.addfile(tarfile.TarInfo(f"package/dist/{name}"))
    monkeypatch.setattr(runtime, "FOLDER", tmp_path / "share" / "runtime")
    monkeypatch.setattr(runtime, "archive", lambda: content.getvalue())
    assert runtime.main() == 0 and "still pictures" in capsys.readouterr().out
    assert not runtime.FOLDER.exists() and runtime.here() == {}
    digest = base64.b64encode(__import__("hashlib").sha512(content.getvalue()).digest()).decode()
    monkeypatch.setattr(runtime, "INTEGRITY", f"sha512-{digest}")
    assert runtime.main() == 0 and set(runtime.here()) == {*runtime.FILES}


def test_without_a_network_the_book_is_built_without(tmp_path, monkeypatch, capsys):
    runtime = script("get_runtime")
    monkeypatch.setattr(runtime, "FOLDER", tmp_path / "runtime")

    def refused():
        raise OSError("no network")

    monkeypatch.setattr(runtime, "archive", refused)
    assert runtime.main() == 0 and "no network" in capsys.readouterr().out and not runtime.FOLDER.exists()


def test_packed_files_unpack_to_what_they_were(tmp_path):
    import gzip

    content = np.random.default_rng(0).bytes(3_000_000)
    told = script("make_laboratory").pack("thing", content, tmp_path)
    pieces = [(tmp_path / f"thing.{k}.js").read_text() for k in range(told["parts"])]
    texts = [re.fullmatch(r'Laboratory\.part\("thing", (\d+), "([\w+/=]+)"\);\n', piece) for piece in pieces]
    assert [int(match[1]) for match in texts] == list(range(told["parts"]))
    text = "".join(match[2] for match in texts)
    assert len(text) == told["size"] and gzip.decompress(base64.b64decode(text)) == content


def test_a_panel_without_its_runtime_is_a_picture_and_says_why():
    made = script("laboratory", "book/_ext")
    bare = made.html("walk", "church", True, "../_static/laboratory", {})
    assert "without onnxruntime-web" in bare and "data-panel" not in bare and 'alt="An image' in bare
    parts = [*made.PROGRAMS["wasm"], *made.PROGRAMS["webgpu"], "toy-dog", "pictures", "domain-scorer", "latents"]
    sizes = dict.fromkeys(parts, 1_000_000)
    whole = made.html("noise", "cat", False, "_static/laboratory", sizes)
    assert (
        'data-wasm="6"' in whole
        and 'data-loads="pictures domain-scorer"' in whole
        and 'data-domain="cat"' in whole
        and "<img" not in whole
    )
    assert made.table({}) == "" and made.table(sizes).count("<tr>") == 1 + len(made.WORDS)


def test_page_and_build_name_the_same_programs():
    made = script("laboratory", "book/_ext")
    (line,) = re.findall(r"const PROGRAMS = (\{.*\});", (SCRIPTS / "laboratory.js").read_text())
    assert json.loads(re.sub(r"(\w+): ", r'"\1": ', line)) == made.PROGRAMS
    assert {name for programs in made.PROGRAMS.values() for name in programs} == set(script("get_runtime").FILES)
