"""The words of the report: `index.html`, one file with its pictures inside, from the numbers of `results.json`."""

from __future__ import annotations

import base64
from html import escape
from typing import Any

STYLE = """
body { font: 17px/1.55 Georgia, serif; color: #1a1a1a; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { font-family: system-ui, sans-serif; line-height: 1.2; } h2 { margin-top: 2.6rem; }
figure { margin: 1.6rem 0; } img { max-width: 100%; height: auto; display: block; margin: auto; }
figcaption { font-size: .88rem; color: #444; margin-top: .4rem; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; } th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid #ccc; }
code { font-size: .9em; } .answer { border-left: 4px solid #0072B2; padding-left: .9rem; }
@media print { body { max-width: none; margin: 0; font-size: 11pt; } figure { break-inside: avoid; } }
"""


def page(r: dict[str, Any], figures: dict[str, bytes]) -> str:
    """The report as one self-contained HTML page: nothing is fetched from anywhere."""
    a, b = r["digits"]
    shown, network = r["shown"], r["network"]
    sparse, smallest = shown["sparse"], shown["smallest_eps"]
    at = next(row for row in r["universal"] if row["eps"] == 0.10)

    def figure(name: str, text: str) -> str:
        if name not in figures:
            return ""
        data = base64.b64encode(figures[name]).decode()
        return f'<figure><img alt="{escape(text)}" src="data:image/png;base64,{data}"><figcaption>{escape(text)}</figcaption></figure>'

    sizes = "-".join(map(str, network["sizes"]))
    steps = [
        ("one step, eps = -m / |g|<sub>1</sub> (box ignored)", r["one_step_box_ignored"]),
        ("one step, root of h<sub>S</sub>(eps) = -m (inside the box)", r["one_step_in_the_box"]),
        (f"forty steps (PGD) at eps {r['pgd']['eps']:.2f}", r["pgd"]),
        ("smallest eps found on the curved network", r["smallest_eps"]),
    ]
    rows = "".join(
        f"<tr><td>{name}<td>{100 * m['success']:.1f}%<td>{_number(m['mean_distance'])}<td>{100 * m['success_8bit']:.1f}%"
        for name, m in steps
    )
    every = "".join(
        f"<tr><td>{u['eps']:.3f}<td>{100 * u['rate_on_set']:.1f}%<td>{100 * u['rate_held_out']:.1f}%<td>{100 * u['rate_held_out_8bit']:.1f}%"
        for u in r["universal"]
    )
    papernot = r["papernot"]
    pixels = f"<strong>{sparse['distance']:.0f} pixels</strong>"
    flips = f"{pixels} turn this {a} into a {b}." if sparse["success"] else f"{pixels} do not turn this {a} into a {b}."
    return f"""<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>How a {a} becomes a {b}</title><style>{STYLE}</style>
<h1>How a {a} becomes a {b}</h1>
<p>A network N with layers {sizes} tells {a} from {b}: it says {b} when its one number N(x) is above the threshold.
It is right on {100 * network["test_accuracy"]:.2f}% of the test images. Below, the same test image (number
{shown["image"]} among the test images of {a}) is changed in three ways; what the network then says is written under each.</p>
{figure("overview.png", f"The image, and three ways to make it a {b} for the network. Under each: what it says, and how sure it is.")}

<h2>1. The network</h2>
<p>Each layer is written by hand with its derivative (<code>minigrad/layers.py</code>), so the Jacobian dN/dx is explicit.
The <em>margin</em> m(x) is N minus the threshold, with the sign that makes m(x) &gt; 0 mean "fooled".
Here m = {shown["margin"]:.3f} before anything is changed.</p>
{figure("training.png", "Training, epoch by epoch: mean loss and accuracy over the batches.")}

<h2>2. As few pixels as possible</h2>
<p>Near x the network is linear: m(x + s) = m(x) + g·s with g = dm/dx. Pixel i can rise to white or fall to black, and earns at most
max(g<sub>i</sub>(1 - x<sub>i</sub>), g<sub>i</sub>(0 - x<sub>i</sub>)). What one pixel earns does not depend on the others, so the largest
gains, one after the other, are the sparsest answer of the linear network. The real one bends, so g is formed again after
every pixel. (<code>attacks/saliency.py</code>)</p>
<p class="answer">{flips} Over all {r["sparse"]["images"]} correctly classified test images
the mean is {_number(r["sparse"]["mean_distance"], 3)} pixels, the median {r["sparse"]["median_distance"]:.0f};
{100 * r["sparse"]["success"]:.1f}% flip. On the first {papernot["images"]} images the published saliency map of pixel pairs
needs {_number(papernot["mean_distance"], 3)} pixels on average, gain per pixel {_number(r["papernot_gain_on_the_same_images"], 3)}.</p>
{figure("sparse.png", "Sparse: the changed pixels are circled. The Jacobian shows why these: strong colour where there is room to move.")}
{figure("margin_by_pixels.png", "Each pixel lifts the margin; the last one carries it over the boundary.")}
{figure("pixels_histogram.png", "How many pixels each test image needs by this attack.")}
<p><strong>Can one tell?</strong> Yes, by eye: a few pixels jump from black to white, far from any stroke of a pen. Sparse does not mean invisible.</p>

<h2>3. Small changes, every pixel</h2>
<p>Now each pixel may move by at most eps. The linear network gains most when every pixel goes as far as it may in the direction of
its derivative: s = eps sign(g), which earns eps |g|<sub>1</sub>, so eps = -m / |g|<sub>1</sub>. But a black pixel cannot get darker. Inside the box pixel i
moves by min(eps, room<sub>i</sub>), the gain h<sub>S</sub>(eps) = Σ |g<sub>i</sub>| min(eps, room<sub>i</sub>) bends at every room<sub>i</sub>, and
its root is found exactly by sorting them. (<code>attacks/sign_gradient.py</code>, <code>attacks/balls.py</code>)</p>
<table><tr><th>method<th>flips<th>mean eps of those<th>after rounding to bytes</tr>{rows}</table>
<p class="answer">For this image: linearised, box ignored, eps = {_number(shown["linearised_eps_box_ignored"])}; inside the box
{_number(shown["linearised_eps_in_the_box"])}; smallest eps found on the true network
<strong>{_number(smallest["distance"])}</strong>.</p>
{figure("smallest_eps.png", "Smallest eps: no pixel moves by more than a shade. Magnified, the change follows the signs of the Jacobian.")}
{figure("one_step.png", "One sign step, as long as the linearised network inside the box asks for.")}
{figure("margin_by_eps.png", "What the linearised network promises (dotted: box ignored) and what the network does.")}
{figure("eps_histogram.png", "The smallest eps found for each test image.")}
<p><strong>Can one tell?</strong> Hardly by eye. Rounding to bytes undoes the answers that lie exactly on the edge: see the last column.</p>

<h2>4. How good are these attacks? A proof</h2>
<p>An attack that fails proves nothing. To prove that <em>no</em> s in S works, bound the margin from above on all of S at once: push
the output row back through the network, replacing each ReLU whose sign is not known by a line above or below it, until a linear function
A·(x + s) + c of the pixels is left; its maximum over S is the same h<sub>S</sub>(A) that made the attacks (<code>minigrad/bounds.py</code>). If
even that is below 0, nothing in S works. If not, assume m ≥ 0 and shrink what the neurons can do under it
(<code>minigrad/contract.py</code>), and cut S into parts, by the sign of a neuron, or by a pixel that must move or must not
(<code>attacks/search.py</code>), until every part is refuted.</p>
<p class="answer">{_pixels_proved(shown["proved"]["l0"], a)} {_eps_proved(shown["proved"]["linf"])}</p>
<p>To certify a whole set: <code>python -m attacks prove</code>.</p>

<h2>5. One perturbation for all of them</h2>
<p>Look for a single s that flips as many images as possible when it is added to each (and clipped). In words: take all images at once and ask which way each
would like to move; the derivatives of different {a}s point much the same way, so go where their mean points, as far as eps allows. Look again at the images as they are
now. Those that are fooled for good need no more help, those that are hopeless get little, those at the edge get most: that is the slope of a smooth count of
the fooled. Average their wishes over the last few steps, take a step, stay inside |s| ≤ eps, take shorter steps towards the end, and keep the best s that
was seen. It is made from training images and measured on test images it never saw. (<code>attacks/uap.py</code>, <code>attacks/uap_methods.py</code>)</p>
<table><tr><th>eps<th>fooled, training images<th>fooled, unseen test images<th>after rounding to bytes</tr>{every}</table>
<p class="answer">At eps 0.10 one s flips <strong>{100 * at["rate_held_out"]:.1f}%</strong> of the unseen test images.</p>
{figure("universal.png", "The universal s, beside the mean derivative that it follows.")}
{figure("universal_grid.png", f"Unseen {a}s without s (above) and with it (below).")}
<p>How far is that from the best possible? An s that fools an image is at least as large as the image's own certified minimum, and one that fools all of a set makes
every weighted sum of their margins positive: where a bound of such a sum is below 0, no s works (<code>attacks/uap_bound.py</code>).</p>
<p class="answer">{_set_proved(r["universal_minimum"]["linf"], "eps {}", 4)} {_set_proved(r["universal_minimum"]["l0"], "{} fixed pixels", 0)}</p>
{figure("universal_eps.png", "The share that one s fools against eps. In the shaded zone no s can be: proved for the first few test images.")}
{figure("universal_pixels.png", "The same for fixed pixels: the same few pixels, painted the same way, on every image.")}
{figure("fixed_pixels.png", "The fixed pixels (s = 1 paints white, s = -1 black), beside the mean derivative.")}
{_mixed(r, a, b)}
<h2>6. Why is the researcher wearing such stylish glasses?</h2>
<p>Because glasses are a perturbation in disguise. Nobody can repaint a whole photograph of himself, but everybody may put on a frame: a few pixels, always the
same ones, painted as boldly as one likes, worn on every photograph. So the set of allowed changes is not "a little, everywhere" but "anything, inside a mask",
and the attack is the universal one confined to it: find one pattern for the frame that makes the network read every {a} as a {b}
(Sharif, Bhagavatula, Bauer and Reiter 2016 did it to face recognition). It is found like s above, over the pixels of the frame alone
(<code>attacks/pattern.py</code>; the frame: <code>attacks/glasses.py</code>). Glasses that merely hide the digit are no attack, so the same frame is tried in black, in
white, in random grey and in the best single grey.</p>
{_glasses_answer(r["glasses"], a)}
{figure("glasses.png", f"Unseen {a}s, all wearing the same glasses, and the controls: the same frame filled with black, white, random grey.")}
{figure("glasses_heights.png", "The same frame at other heights, each with the best pattern found for it.")}
{_heights_answer(r["glasses"], a)}

<h2>How this was made</h2>
<p>Seed {r["seed"]}, {escape(", ".join(f"{name} {number}" for name, number in r["versions"].items()))}. Every number is in <code>results.json</code>, the network in <code>model.npz</code>.
{r["images"]["already_misclassified"]} test images of {a} were misclassified already; they are left out of every rate.</p>
</html>
"""


def _pixels_proved(p: dict[str, Any], a: int) -> str:
    lower, upper = (_number(p[end], 0) for end in ("lower", "upper"))
    if p["lower"] is None:
        return f"Proved: no number of pixels turns this {a}."
    if p["optimal"]:
        better = f" (the attack had needed {p['attack']:.0f})" if p["attack"] and p["attack"] > p["upper"] else ""
        return f"This {a} needs <strong>at least {lower} pixels: proved</strong>; {upper} are enough{better}."
    return f"This {a} needs <strong>at least {lower} pixels: proved</strong>; known to be enough: {upper} ({p['reason']})."


def _eps_proved(p: dict[str, Any]) -> str:
    if p["lower"] is None:
        return "Proved: no eps works, however large."
    why = "" if p["optimal"] else f" ({p['reason']})"
    return f"eps = {_number(p['upper'], 5)} works; <strong>nothing below {_number(p['lower'], 5)} does: proved</strong>{why}."


def _set_proved(u: dict[str, Any], form: str, digits: int) -> str:
    n, lower, upper = u["images"], form.format(_number(u["lower"], digits)), form.format(_number(u["upper"], digits))
    if u["lower"] is None:
        return f"For the first {n} images together: proved, no s of any size fools them all."
    found = f"{upper} found" if u["upper"] is not None else "none was found"
    return f"For the first {n} images together: <strong>no s with less than {lower} fools them all: proved</strong>; {found}."


def _mixed(r: dict[str, Any], a: int, b: int) -> str:
    if "mixed" not in r["universal_minimum"]:
        return ""
    rates = ", ".join(f"{100 * row['rate']:.0f}% at eps {row['eps']:.2f}" for row in r["mixed"])
    u = r["universal_minimum"]["mixed"]
    return (
        f"<p>And a mixed set, half {a}s that should become {b}s and half the reverse? What helps one hurts the other: the best s found "
        f"fools {rates}. {_set_proved(u, 'eps {}', 4)}</p>"
    )


def _glasses_answer(g: dict[str, Any], a: int) -> str:
    best, slip = g["heights"][str(g["height"])], g["slipping"]
    controls = ", ".join(f"{name} {100 * rate:.1f}%" for name, rate in best["controls"].items())
    frame = g["frame_pixels_proved"]
    few = (
        f"On the image shown, {_number(frame['upper'], 0)} of the frame's pixels are enough, and at least {_number(frame['lower'], 0)} are needed: proved."
        if frame["upper"] is not None
        else "On the image shown no filling of the frame was found to work."
    )
    return (
        f'<p class="answer">A frame of {g["pixels"]} pixels fools <strong>{100 * best["rate_held_out"]:.1f}%</strong> of the unseen {a}s '
        f"({100 * best['rate_held_out_8bit']:.1f}% in bytes); the same frame filled otherwise: {controls}. Made to survive a slip of one pixel in any direction, "
        f"it fools {100 * slip['rate_held_out']:.1f}% on average over the nine places. {few}</p>"
    )


def _heights_answer(g: dict[str, Any], a: int) -> str:
    rows = "".join(
        f"<tr><td>{int(rows):+d}<td>{100 * h['rate_held_out']:.1f}%<td>{100 * max(h['controls'].values()):.1f}%<td>{h['promise']:.2f}"
        f"<td>{h['fillings']['works']}<td>{h['fillings']['proved_none']}<td>{h['fillings']['undecided']}"
        for rows, h in g["heights"].items()
    )
    return (
        "<table><tr><th>rows down<th>fooled<th>best control<th>promised<th>some filling works<th>none does: proved<th>undecided</tr>"
        f"{rows}</table><p>Why it fails where it fails: \"promised\" is what the mean linearised {a} gains when every pixel of the frame goes to its better end, as a share of "
        "what it needs. Below 1 the frame crosses too few pixels that matter. And where a control does nearly as well as the pattern, the plain frame hides or completes the "
        "digit: that is no attack. The last three columns take the first images one by one, each with a filling of its own, by branch and bound.</p>"
    )


def _number(value: float | None, digits: int = 4) -> str:
    return "none" if value is None or value != value or abs(value) == float("inf") else f"{value:.{digits}f}"
