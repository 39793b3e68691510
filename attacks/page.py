"""The words of the report: `index.html`, one file with its pictures inside, from the numbers of `results.json`.

What depends on how the numbers came out is in sentences.py.
"""

from __future__ import annotations

import base64
from html import escape
from typing import Any

from attacks.formulas import math
from attacks.sentences import (
    by_which,
    detection,
    eps_proved,
    glasses_answer,
    heat,
    heights_answer,
    mixed,
    number,
    pixels,
    pixels_proved,
    plain,
    price,
    rate,
    set_proved,
)

STYLE = """
body { font: 17px/1.55 Georgia, serif; color: #1a1a1a; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: break-word; }
h1, h2 { font-family: system-ui, sans-serif; line-height: 1.2; } h2 { margin-top: 2.8rem; border-top: 1px solid #ccc; padding-top: 1.2rem; }
figure { margin: 1.6rem 0; } img { max-width: 100%; height: auto; display: block; margin: auto; }
figcaption { font-size: .9rem; color: #333; margin-top: .4rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .92rem; }
table { margin: .8rem 0; } th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid #ccc; vertical-align: bottom; }
code { font-size: .9em; } .answer { border-left: 4px solid #0072B2; padding-left: .9rem; }
.question { font: 600 1.05rem/1.4 system-ui, sans-serif; color: #0072B2; } .where { font-size: .88rem; color: #333; }
.formula { overflow-x: auto; overflow-y: hidden; padding: .5rem 0; margin: .5rem 0; font-size: 1.05rem; }
.heat td { text-align: center; padding: .3rem .25rem; } .heat th { padding: .3rem .25rem; text-align: center; } .heat tr > :first-child { text-align: left; } nav a { margin-right: .9rem; white-space: nowrap; }
.play { display: inline-block; background: #0072B2; color: white; padding: .45rem .9rem; border-radius: .3rem; text-decoration: none; font-family: system-ui, sans-serif; }
@media screen and (max-width: 640px) { .scroll td, .scroll th { white-space: nowrap; } .heat { font-size: .75rem; font-family: system-ui, sans-serif; } .heat th { font-weight: 400; writing-mode: vertical-rl; } table.heat td, table.heat th { padding: .3rem .1rem; } .heat tr > :first-child { white-space: normal; } .wide { overflow-x: auto; } .wide img { width: 42rem; max-width: none; } }
@page { size: A4; margin: 18mm 16mm; }
@media print { body { max-width: none; margin: 0; padding: 0; font-size: 10.5pt; } figure, .answer, tr { break-inside: avoid; } h2, .question, thead { break-after: avoid; } thead { display: table-header-group; } td { print-color-adjust: exact; -webkit-print-color-adjust: exact; } img { max-height: 9.5cm; width: auto; } nav, .play { display: none; } .scroll, .formula { overflow: visible; } }
"""


WIDE = {  # many small pictures: on a phone they scroll instead of shrinking
    "overview.png", "sparse.png", "one_step.png", "smallest_eps.png", "universal.png", "fixed_pixels.png",
    "universal_grid.png", "glasses.png",
}  # fmt: skip


def page(r: dict[str, Any], figures: dict[str, bytes], play: bool = False) -> str:
    """The report as one self-contained HTML page: nothing is fetched from anywhere.  `play`: play.html is beside it."""
    a, b = (escape(name) for name in r["names"])
    shown, network = r["shown"], r["network"]
    sparse, smallest = shown["sparse"], shown["smallest_eps"]
    at = next(row for row in r["universal"] if row["eps"] == 0.10)

    def figure(name: str, text: str) -> str:
        if name not in figures:
            return ""
        data = base64.b64encode(figures[name]).decode()
        kind = ' class="wide"' if name in WIDE else ""
        return f'<figure{kind}><img alt="{escape(text)}" src="data:image/png;base64,{data}"><figcaption>{escape(text)}</figcaption></figure>'

    sizes, images = "-".join(map(str, network["sizes"])), r["images"]["correct"]
    steps = [
        ("one step, eps = -m / |g|<sub>1</sub> (box ignored)", r["one_step_box_ignored"]),
        ("one step, root of h<sub>S</sub>(eps) = -m (inside the box)", r["one_step_in_the_box"]),
        ("smallest eps among the bytes", r["smallest_eps_in_bytes"]),
        (f"forty steps (PGD) at eps {r['pgd']['eps']:.2f}", r["pgd"]),
        ("smallest eps found on the curved network", r["smallest_eps"]),
    ]
    rows = "".join(
        f"<tr><td>{name}<td>{100 * m['success']:.1f}%<td>{number(m['mean_distance'])}<td>{100 * m['success_8bit']:.1f}%"
        for name, m in steps
    )
    every = "".join(
        f"<tr><td>{u['eps']:.3f}<td>{100 * u['rate_on_set']:.1f}%<td>{rate(u['rate_held_out'], images)}<td>{100 * u['rate_held_out_8bit']:.1f}%"
        for u in r["universal"]
    )
    papernot = r["papernot"]
    shares = " Here a pixel is a share of its range in the collection, from 0 (black) to 1 (white)." if r["pixels_are_shares_of_their_range"] else ""
    band = "" if r["glasses"]["style"] != "band" else " (This picture is too small for glasses: the frame is a band.)"
    count = f"<strong>{pixels(sparse['distance'])}</strong>"
    flips = f"{count} can turn this {a} into a {b}." if sparse["success"] else f"{count} cannot turn this {a} into a {b}."
    beat = '<p><a class="play" href="play.html">Beat the proof: change the pixels yourself</a></p>' if play else ""
    proved, gain = shown["proved"], r["gain_on_the_same_images"]
    d, needed = r["detection"], plain(pixels_proved(shown["proved"]["l0"], a))
    within = plain(eps_proved(proved["linf"]))
    set_linf, set_l0 = (set_proved(r["universal_minimum"][n], *f) for n, f in (("linf", ("eps {}", 4)), ("l0", ("{} fixed pixels", 0))))
    return f"""<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<title>How a {a} becomes a {b}</title><style>{STYLE}</style>
<h1>How a {a} becomes a {b}</h1>
<p>A network with layers {sizes} tells {a} from {b}; it is right on {100 * network["test_accuracy"]:.2f}% of the test images.{shares} Below, the same test image
(number {shown["image"]} among the test images of {a}) is changed in several ways; what the network then says is written under each. Whoever only looks at pictures and their captions gets the story.</p>
<nav><a href="#network">1 Network</a> <a href="#sparse">2 Few pixels</a> <a href="#small">3 Small changes</a> <a href="#proof">4 Proof</a>
<a href="#universal">5 One for all</a> <a href="#glasses">6 Glasses</a> <a href="#tell">7 Can one tell?</a></nav>
{figure("overview.png", f"The image, and three ways to make it a {b} for the network. Under each: what it says, and how sure it is.")}
{beat}

<h2 id="network">1. The network and its Jacobian</h2>
{question("How does the output change with every single input pixel?")}
{math("network")}
<p>Each layer is written by hand with its derivative, so the chain rule can be written out: a product of matrices, one row for each output.</p>
{math("jacobian")}
<p>N(x) is one real number; the network says {b} when it is above the threshold t. The <em>margin</em> m is that number with the sign that makes "above 0" mean "fooled", whichever of the two x is.</p>
{math("margin")}
<p class="answer">For the image shown m = {shown["margin"]:.3f}: the network is {100 * shown["confidence_before"]:.1f}% sure that it is a {a}.
The Jacobian is compared with central differences, entry by entry, by <code>check_jacobian</code>; your network can be, too.</p>
{figure("training.png", f"Training, epoch by epoch: mean loss and accuracy over the batches. On unseen test images {100 * network['test_accuracy']:.2f}% are right.")}
{where("minigrad/layers.py", "minigrad/mlp.py: MLP.jacobian", "minigrad/margin.py: Margin", "minigrad/train.py: fit", "minigrad/check.py: check_jacobian")}

<h2 id="sparse">2. As few pixels as possible</h2>
{question(f"Which pixels, and how few of them, turn this {a} into a {b}?")}
<p>Near x the network is linear:</p>
{math("linear")}
<p>Pixel i can rise to white or fall to black, and earns at most</p>
{math("gain")}
<p>What one pixel earns does not depend on the others, so the largest gains, one after the other, are the sparsest answer of the linear network. The real one
bends, so g is formed again after every pixel.</p>
{figure("sparse.png", f"Sparse: the changed pixels are circled. The Jacobian shows why these: strong colour where there is room to move. {needed}")}
<p class="answer">{flips} {pixels_proved(proved["l0"], a)} Over all {r["sparse"]["images"]} correctly classified test images the attack's mean is
{number(r["sparse"]["mean_distance"], 3)} pixels, the median {r["sparse"]["median_distance"]:.0f}; {100 * r["sparse"]["success"]:.1f}% flip,
{100 * r["sparse"]["success_8bit"]:.1f}% after rounding to bytes. On the first {papernot["images"]} of them the published saliency map of pixel pairs
touches {number(r["papernot_touched"], 2)} pixels on average, one pixel after the other by gain {number(gain["touched"], 2)}. Putting back what turned out superfluous leaves
{number(papernot["mean_distance"], 3)} and {number(gain["mean_distance"], 3)}; exchanging pixels, {number(r["gain_and_exchanges_on_the_same_images"], 3)}.</p>
{figure("margin_by_pixels.png", "Each pixel lifts the margin; the last one carries it over the boundary.")}
{figure("pixels_histogram.png", f"How many pixels each test image needs by this attack: {number(r['sparse']['mean_distance'], 2)} on average.")}
<p><strong>Can one tell?</strong> Yes, by eye: a few pixels jump from black to white or back, which a pen does not do. Sparse does not mean invisible.</p>
{where("attacks/saliency.py: saliency_map", "attacks/fewer.py", "attacks/balls.py: L0")}

<h2 id="small">3. Small changes, every pixel</h2>
{question("How small can the change of every pixel be?")}
<p>Now each pixel may move by at most eps. The linear network gains most when every pixel goes as far as it may in the direction of its derivative:</p>
{math("sign")}
<p>But a black pixel cannot get darker. Inside the box pixel i moves by min(eps, room<sub>i</sub>), the gain bends at every room<sub>i</sub>, and its root is found exactly by sorting them:</p>
{math("support")}
{figure("smallest_eps.png", f"Smallest eps: no pixel moves by more than a shade. Magnified, the change follows the signs of the Jacobian. {within}")}
<p class="answer">For this image: linearised, box ignored, eps = {number(shown["linearised_eps_box_ignored"])}; inside the box {number(shown["linearised_eps_in_the_box"])};
smallest eps found on the true network <strong>{number(smallest["distance"])}</strong>; in bytes {number(shown["smallest_eps_in_bytes"]["distance"])}.
{eps_proved(proved["linf"])}</p>
<div class="scroll"><table><thead><tr><th>method<th>flips<th>mean eps of those<th>flips after rounding to bytes</tr></thead>{rows}</table></div>
{figure("one_step.png", "One sign step, as long as the linearised network inside the box asks for.")}
{figure("margin_by_eps.png", "What the linearised network promises (dotted: box ignored) and what the network does.")}
{figure("eps_histogram.png", f"The smallest eps found for each test image: {number(r['smallest_eps']['mean_distance'])} on average.")}
<p><strong>Can one tell?</strong> Hardly by eye. Rounding to bytes undoes the answers that lie exactly on the edge (last column); an attack that stays among the bytes costs a little more and survives.
By a program: see question 7.</p>
{where("attacks/sign_gradient.py: fgsm, pgd, smallest_eps", "attacks/stealth.py: smallest_eps_8bit", "attacks/balls.py: LInf.radius_for")}

<h2 id="proof">4. How good are these attacks? A proof</h2>
{question("The attack found nothing smaller. Is there nothing smaller?")}
<p>An attack that fails proves nothing. To prove that <em>no</em> s in S works, bound the margin from above on all of S at once: push the output row back through the
network, replacing each ReLU whose sign is not known by a line above or below it, until a linear function of the pixels is left.</p>
{math("bound")}
<p>Its maximum over S is the same h<sub>S</sub> that made the attacks. If even that is below 0, nothing in S works. If not, assume m ≥ 0 and shrink what the neurons can do under it, and cut S
into parts, by the sign of a neuron, or by a pixel that must move or must not, until every part is refuted.</p>
{figure("proof.png", f"Dashed: no perturbation within eps lifts the margin above this, bounded in one piece. Cut into parts, more is refuted: the blue zone. Between the zones nobody knows yet. {within}")}
<p class="answer">{pixels_proved(proved["l0"], a)} {eps_proved(proved["linf"])}</p>
{beat}
<p>To certify a whole set: <code>python -m attacks prove</code>.</p>
{where("minigrad/bounds.py: upper_bound", "minigrad/tighten.py", "minigrad/contract.py", "attacks/search.py: Search", "attacks/minimum.py: certified_minimum", "attacks/certificate.py: Certificate.check")}

<h2 id="universal">5. One perturbation for all of them</h2>
{question(f"Is there one s that turns every {a} into a {b}, even those it never saw?")}
{math("universal")}
<p>In words: take all images at once and ask which way each
would like to move; the derivatives of different {a}s point much the same way, so go where their mean points, as far as eps allows. Look again at the images as they are
now. Those that are fooled for good need no more help, those that are hopeless get little, those at the edge get most: that is the slope of a smooth count of
the fooled. Average their wishes over the last few steps, take a step, stay inside |s| ≤ eps, take shorter steps towards the end, and keep the best s that
was seen. It is made from training images and measured on test images it never saw.</p>
{figure("universal.png", "The universal s, beside the mean derivative that it follows.")}
{figure("universal_grid.png", f"Unseen {a}s without s (above) and with it (below): at eps 0.10 it fools {rate(at['rate_held_out'], images)} of {images}.")}
<p class="answer">At eps 0.10 one s flips <strong>{rate(at["rate_held_out"], images)}</strong> of the {images} unseen test images ({100 * at["rate_held_out_8bit"]:.1f}% in bytes).
{set_linf} {set_l0}</p>
<div class="scroll"><table><thead><tr><th>eps<th>fooled, training images<th>fooled, unseen test images<th>after rounding to bytes</tr></thead>{every}</table></div>
<p>Shares of images are followed by their 95% interval (Wilson 1927). How is the lower bound proved? An s that fools an image is at least as large as the image's own certified minimum, and where the margins' wishes
collide, a weighted sum of them is bounded like one margin:</p>
{math("together")}
<p>{by_which(r["universal_minimum"])}</p>
{figure("universal_eps.png", "The share that one s fools against eps. In the shaded zone no s can be: proved for the first few test images. " + plain(set_linf))}
{figure("universal_pixels.png", "The same for fixed pixels: the same few pixels, painted the same way, on every image. " + plain(set_l0))}
{figure("fixed_pixels.png", "The fixed pixels (s = 1 paints white, s = -1 black), beside the mean derivative.")}
{mixed(r, a, b)}
{where("attacks/uap.py: universal", "attacks/uap_methods.py: ascend", "attacks/uap_bound.py: refuted", "attacks/uap_minimum.py: universal_minimum")}

<h2 id="glasses">6. Why is the researcher wearing such stylish glasses?</h2>
{question(f"Can one pattern on a pair of glasses do it, worn by every {a}?")}
<p>Because glasses are a perturbation in disguise. Nobody can repaint a whole photograph of himself, but everybody may put on a frame: a few pixels, always the
same ones, painted as boldly as one likes, worn on every photograph. So the set of allowed changes is not "a little, everywhere" but "anything, inside a mask M",
and the attack is the universal one confined to it: find one pattern p for the frame that makes the network read every {a} as a {b}
(Sharif, Bhagavatula, Bauer and Reiter 2016 did it to face recognition).</p>
{math("glasses")}
<p>Glasses that merely hide the image are no attack, so the same frame is tried in black, in white, in random grey and in the best single grey.{band}</p>
{figure("glasses.png", f"Unseen {a}s, all wearing the same glasses, and the controls: the same frame filled with black, white, random grey. The pattern fools {rate(r['glasses']['heights'][str(r['glasses']['height'])]['rate_held_out'], images)} of {images}.")}
{glasses_answer(r["glasses"], shown["frame_pixels_proved"], a, images)}
{figure("glasses_heights.png", "The same frame at other heights, each with the best pattern found for it.")}
{heights_answer(r["glasses"], a)}
{where("attacks/glasses.py: glasses_mask, place", "attacks/pattern.py: accessory, any_filling, smallest_mask", "attacks/pattern_steps.py")}

<h2 id="tell">7. Can one tell that an image was attacked?</h2>
{question("Not by eye, perhaps. By a program?")}
<p>A detector is a number that is small for clean training images: ink on pixels that no training image uses (<em>unused</em>), pixels unlike their neighbours (<em>isolated</em>), what the
training set's principal components cannot draw (<em>subspace</em>), how far the logit moves when fine detail is filtered away (<em>squeezed</em>: Xu, Evans and Qi 2018), the distance to the
nearest training image (<em>neighbour</em>). <em>Combined</em> is a logistic function of the five, fitted to attacked training images:</p>
{math("combined")}
<p>The detectors know {d["images_remembered"]} clean training images; every threshold is read on {d["images_for_thresholds"]} others, so that 1% of them raise a false alarm. Everything below is counted on test images
that neither saw: {d["clean_test_images"]} clean ones, and {d["test_images_attacked"]} attacked, of which those count that the attack flipped.</p>
{heat({name: s["found"] for name, s in d["attacks"].items()}, d["false_alarms"], "Which detector finds which attack: the share of flipped test images above its threshold.")}
{figure("roc.png", "The combined detector at every threshold. The black line: 1% false alarms.")}
{detection(r)}
{question("And an attacker who knows the detectors?")}
<p>He attacks where they are blind. <em>Used</em>: only pixels that some training image uses, a mask. <em>Smooth</em>: in addition no pixel leaves the range of its 3 x 3 neighbourhood, a box:</p>
{math("smooth")}
<p>Mask and box belong to the ball, so every attack, and every proof, runs under them unchanged: the price of hiding is an interval, too.</p>
{figure("disguises.png", "The image shown, attacked freely, on used pixels only, and smoothly. Above: few pixels. Below: small eps. Under each: its size, and what the network says.")}
{heat({f"{attack}, {name}": s["found"] for attack, row in r["disguised"].items() for name, s in row.items()}, d["false_alarms"], f"What the same detectors find when the attack hides. They were not told. Of {d['test_images_attacked_in_disguise']} test images, drawn at random, those that the attack flipped.")}
{price(r)}
{where("attacks/detect.py: Memory, scores, Combined", "attacks/stealth.py: disguises, smallest_eps_8bit", "attacks/study_detect.py")}

<h2>How this was made</h2>
<p>Seed {r["seed"]}, {escape(", ".join(f"{name} {number}" for name, number in r["versions"].items()))}. Every number is in <code>results.json</code>, the network in <code>model.npz</code>.
{r["images"]["already_misclassified"]} test images of {a} were misclassified already; they are left out of every rate.</p>
</html>
"""


def question(text: str) -> str:
    return f'<p class="question">{text}</p>'


def where(*names: str) -> str:
    """Which file, and which function of it, did it."""
    return '<p class="where">Done by ' + ", ".join(f"<code>{name}</code>" for name in names) + ".</p>"
