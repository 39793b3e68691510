// What the page says.  A bound is never rounded to the nearest: lower ends go down and upper ends up.

// toFixed(100) writes out all digits of a number from 0 to 1e21 (a float64 below 2^-47 may have more, and then none of
// the first few), so nothing is rounded twice.
const floored = (v, digits) => v.toFixed(100).slice(0, digits - 100);
function ceiled(v, digits) {
  const cut = floored(v, digits), exact = v === 0 || (Number(cut) !== 0 && !/[1-9]/.test(v.toFixed(100).slice(digits - 100)));
  if (exact) return cut;
  const next = (BigInt(cut.replace(".", "")) + 1n).toString().padStart(digits + 1, "0");
  return `${next.slice(0, -digits)}.${next.slice(-digits)}`;
}
const percent = (p) => `${(100 * p).toFixed(p > 0.999 ? 2 : 1)}%`;
const pixels = (n) => `${n} pixel${n === 1 ? "" : "s"}`;
const nameOf = (j) => network().classes[j];
function goalName() {
  if (state.goal !== "any") return nameOf(state.goal);
  return network().classes.length < 3 ? nameOf(1 - label()) : "another digit";
}

// What to do first, of which the words between asterisks are a button's.
const FIRST = {
  pixels: "Press *Best pixel* until the network changes its mind. Then *Start again*, and find as few pixels as you can.",
  sign: "Slide eps until the network changes its mind, or press *Smallest eps they find*. Then find a smaller one.",
  universal: "Slide eps until the network changes its mind: the same s does it to nearly every @A@.",
  glasses: "Look at what the network says: nothing but the frame has changed.",
  draw: "Draw one digit, large. Then press *Attack it*.",
};
const INTROS = {
  pixels: "Click a pixel: it turns white or black, whichever the Jacobian says helps; click again for the other end, a third time "
    + "to undo. Drag to paint. Hold it, or turn the wheel on it after a click, for a grey. Zoom where a finger is wider than a pixel.",
  sign: "Every pixel moves by eps along the sign of its derivative, as far as black and white let it. How small can eps be?",
  universal: "Slide eps: one perturbation, made from training images, is added to this @A@ as to every other.",
  glasses: "One pattern on a pair of glasses, worn by this @A@ as by every other.",
  draw: "With the mouse or a finger; by key: arrows move the pen, and Space puts it down or lifts it.",
};

function verdict(x, m) {
  if (state.mode === "draw" && !state.drawn && !liveImage) return "Draw a digit.";
  if (m === 0) return "The network cannot decide.";
  const { says, sure } = network().reading(x);
  const missed = m < 0 && says !== label() ? `, no ${nameOf(label())} but no ${goalName()} either` : "";
  return `The network says ${nameOf(says)}, ${percent(sure)} sure${missed}.`;
}

// ---------------------------------------------------------------- what is proved

function proofSentence() {
  const l0 = proved("l0"), linf = proved("linf");
  if (state.mode === "draw") return "Nothing is proved of a drawing: attacks on it are found here, and you can have it proved.";
  if (state.mode === "glasses") return "The same pattern for every @A@: anything is allowed, inside the frame only.";
  if (state.mode === "pixels") return l0 ? pixelProof(l0) : unproved();
  if (!linf) return unproved();
  if (state.mode === "universal") {
    if (linf.lower === null) return "Proved: no eps works on this @A@, so no s fools every @A@.";
    if (linf.lower === 0) return "Nothing is proved about eps.";
    return `Proved: no s below eps ${floored(linf.lower, 5)} fools this @A@, so none fools every @A@.`;
  }
  if (linf.lower === null) return "Proved: no eps works, however large.";
  const below = linf.lower > 0 ? `Proved: nothing below eps ${floored(linf.lower, 5)} can do it, however it is made.`
    : "Nothing is proved about eps.";
  if (linf.upper === null) return `${below} Nothing is known to.`;
  return `${below} The best known needs ${ceiled(linf.upper, 5)}; one step along the sign may need more.`;
}
function pixelProof({ lower, upper }) {
  if (upper === 0) return "The network misreads this image as it is.";
  if (lower === null) return "Proved: no number of pixels can do it.";
  const impossible = lower > 1 ? `Proved: no ${pixels(lower - 1)} can do it.` : "Nothing is proved about one pixel.";
  if (upper === null) return `${impossible} No number of pixels is known to.`;
  return `${impossible} ${upper === lower ? "Some" : "The best known is"} ${pixels(upper)}${upper === lower ? " can." : "."}`;
}
function unproved() {
  if (picture()) return "Nothing is proved about this goal: choose one with a proof.";
  return "Found, not proved: nobody has proved anything about your drawing. Below is how to.";
}

// The proof's size and who checked it; nothing where a proof claims nothing.
function checkSentence() {
  const { mode } = state, p = mode === "pixels" ? proved("l0") : proved("linf"), nothing = mode === "pixels" ? 1 : 0;
  if (!p || mode === "draw" || mode === "glasses" || (p.lower !== null && p.lower <= nothing)) return "";
  const cases = `${p.parts} case${p.parts === 1 ? "" : "s"}`;
  const size = (p.bytes / 1000).toFixed(1);
  if (p.bytes) return `The proof: ${cases}, ${size} kB, checked without rounding (in whole numbers) by attacks/checker.py.`;
  return `The proof: ${cases}, searched with every rounding error charged; the exact checker has not seen it.`;
}

// ---------------------------------------------------------------- what was reached

function winSentence({ used, largest }) {
  if (!used) return "The network misreads it as it is: nothing is left to do.";
  if (state.mode === "pixels") return pixelWin(used, proved("l0"));
  if (state.mode === "sign") return epsWin(largest, proved("linf"));
  return "Fooled.";
}
function pixelWin(n, p) {
  if (!p) return `${pixels(n)}: found, not proved. Fewer may do.`;
  const impossible = p.lower > 1 ? `${p.lower - 1} is proved impossible` : "nothing is proved of fewer";
  if (n < p.lower) return `${pixels(n)}: a tie within rounding, which does not count.`;
  if (n === 1) return "1 pixel. Nobody can do better.";
  const seen = p.bytes ? ` (${(p.bytes / 1000).toFixed(1)} kB of proof, checked exactly by attacks/checker.py)` : "";
  if (n === p.lower) return `${pixels(n)}. Nobody can do better: ${impossible}${seen}.`;
  if (p.upper === null || n < p.upper) return `${pixels(n)}: a record! Nobody knew so few; ${impossible}.`;
  const between = `${p.upper - 1 > p.lower ? `${p.lower} to ` : ""}${p.upper - 1}`;
  const open = p.lower === p.upper ? `, and ${impossible}` : `; ${impossible}, and whether ${between} are enough is open`;
  return n === p.upper ? `${pixels(n)}, as few as anybody knows${open}.` : `${pixels(n)}. ${p.upper} are known to suffice${open}.`;
}
function epsWin(largest, p) {
  const mine = `eps ${ceiled(largest, 4)}`, below = p && `below ${floored(p.lower, 4)} is proved impossible`;
  if (!p) return `${mine}: found, not proved. Less may do.`;
  if (p.lower >= 0.98 * largest) return `${mine}. Nobody can do better by 2%: ${below}.`;
  const least = p.upper === null ? Infinity : Number(ceiled(p.upper, 5)), reached = Number(ceiled(largest, 5));
  if (reached < least) return `${mine}: a record! Nobody knew so little; ${below}.`;
  if (reached === least) return `${mine}, as little as anybody knows; ${below}.`;
  return `${mine}. ${ceiled(p.upper, 4)} is known to suffice; ${below}.`;
}
function statusSentence({ used, largest }) {
  if (state.mode === "draw") return state.drawn ? "Press “Attack it”, or go on drawing." : "One digit, large.";
  if (state.mode === "pixels") return `${pixels(used)} changed.`;
  if (state.mode === "universal" && universals.length) {
    const { eps: made } = allowed(eps()), sizes = universals.map((u) => u.eps).join(", ");
    if (!made) return `No s is that small: there is one for eps ${sizes}.`;
    const by = `${pixels(used)} changed, none by more than ${ceiled(largest, 4)}`;
    return `The s made for eps ${made}: ${by}. (There is one for eps ${sizes}.)`;
  }
  return `${pixels(used)} changed, none by more than ${ceiled(largest, 4)}.`;
}

// What the same goal costs on each ten-class network, where that is proved: "plain: 3 pixels, ...; robust: ..."
function differenceSentence() {
  if (!picture()) return foundDifference();
  const of = (n, norm) => proofOf(n.id, state.picture, state.goal, norm);
  const known = networks.map((n) => ({ n, l0: of(n, "l0"), linf: of(n, "linf") })).filter(({ l0, linf }) => l0 && linf);
  if (known.length < 2) return "";
  const range = (lower, upper) => (lower === upper ? lower : upper === null ? `at least ${lower}` : `${lower} to ${upper}`);
  const small = ({ lower, upper }) => range(floored(lower, 3), upper === null ? null : ceiled(upper, 3));
  const cost = ({ n, l0, linf }) => `${n.id}: ${range(l0.lower, l0.upper)} pixels, eps ${small(linf)}`;
  return `Feel the difference, proved for this picture: ${known.map(cost).join("; ")}.`;
}

// Of a drawing: the smallest eps at which sign steps flip what each network reads.
const differences = new WeakMap();   // drawing: { goal: sentence }, for it takes some hundred gradients
function foundDifference() {
  if (!state.drawn || state.mode === "draw") return "";
  const known = differences.get(state.drawn) ?? {};
  differences.set(state.drawn, known);
  known[state.goal] ??= `Feel the difference, found on your drawing and not proved: ${networks.slice(1).map((n) => {
    const x = state.drawn.x, y = n.reading(x).says, position = smallestPosition({ network: n, x, y, goal: goalFor(y) }, epsAt, LAST);
    const cost = position === null ? "nothing was found" : `eps ${ceiled(epsAt(position), 3)} is enough`;
    return `${n.id} reads ${n.classes[y]}, and ${cost}`;
  }).join("; ")}.`;
  return known[state.goal];
}

function stepsSentence(made) {       // how ink becomes the image: what `normalise` did
  if (!made) return "Your ink is cut out, scaled into 20 × 20 and centred in 28 × 28, as MNIST’s digits were.";
  const { box, ratio, rows: r, columns: c, top, left } = made;
  const height = box.bottom - box.top, width = box.right - box.left;
  return `Your ink’s box, ${height} × ${width} of ${PAD}, is scaled by ${ratio.toFixed(3)} to ${r} × ${c}, which fits 20 × 20; `
    + `then row ${top}, column ${left} of 28 × 28 puts its centre of mass into the middle, as MNIST was made (LeCun et al. 1998).`;
}

// ---------------------------------------------------------------- how to have it proved, and checked

// { title, note, lines } to run on one's own machine; null where there is nothing to prove or no file to check.
function recipe() {
  const { mode, goal } = state, norm = mode === "pixels" ? "l0" : "linf", p = proved(norm);
  if (mode === "draw" || mode === "glasses") return null;
  if (state.picture === "own") {
    if (!given.drawing || !p?.bytes) return null;            // of other images model.npz may take other pixels
    const lines = `python checker.py model.npz proof-${norm}.npz`;
    return { title: "Check the proof yourself", note: "In the report’s folder:", lines };
  }
  if (picture() && !p) return null;
  const own = state.network === "own";
  if (!picture()) {
    const target = goal === "any" ? "" : ` --target ${goal}`, model = own ? "model.npz" : state.network;
    const note = "What is found here is an upper end. For the other end save the original (below) and run, with this project installed"
      + `${own ? ", in the report’s folder" : ""}:`;
    const lines = `python -m attacks prove --image digit.png --label ${label()}${target} --norm ${norm} --model ${model}`;
    return { title: "Have it proved", note, lines };
  }
  const index = pictures.indexOf(picture()) - 1, exact = goal === "any" && p.bytes;   // a picture without p was left above
  const lines = [
    "from attacks import certified_minimum",
    own ? "from minigrad import MLP" : "from attacks.report.play_nets import load_ten, ten_digits",
    "",
    own ? 'net = MLP.load("model.npz")  # in the report\'s folder' : `net = load_ten("${state.network}")`,
    `x = ten_digits().images()[[${index}]]`,
    `(found,) = certified_minimum(net, x, [${label()}], norm="${norm}"${goal === "any" ? "" : `, target=${goal}`}, time_limit=60)`,
    "print(found)",
    exact ? "print(found.with_proof(net).check(net))  # without rounding" : "print(found.check(net))  # in floats, their errors charged",
  ].join("\n");
  return { title: "Prove it again", note: "With this project installed:", lines };
}
