// What the reader has done, as one object that is replaced and never changed in place: undo keeps the old ones, and a
// link holds it whole.
//
//     network, picture   ids of `given`; picture "drawn" is the reader's own
//     goal               "any", or the class that the network shall say
//     mode               pixels, sign, universal, glasses, draw
//     changes            {pixel: value} of the pixels mode
//     how, position      one sign step, many ("steps") or the stored solution ("stored"); position of the one eps slider
//     drawn              {strokes, x} or null

const given = JSON.parse(document.getElementById("given").textContent);
const { rows, columns } = given, LAST = 2000;
const networks = given.networks.map((n) => new Network(n));
const imageOf = (x) => (typeof x === "string" ? Float64Array.from(bytesOf(x), asGrey) : Float64Array.from(x));
const pictures = given.pictures.map((p) => ({ ...p, x: imageOf(p.x) }));
const universals = given.universals.map((u) => ({ eps: u.eps, s: unpack(u.s) }));
const TOP = Math.max(0.4, 1.5 * (proofOf("own", "own", "any", "linf")?.upper ?? 0), ...universals.map((u) => u.eps));
const epsAt = (position) => (position / LAST) * TOP;
const positionOf = (eps) => Math.min(LAST, Math.ceil((eps / TOP) * LAST));

const MODES = ["pixels", "sign", "universal", "glasses", "draw"], HOW = ["step", "steps", "stored"];
const BEGINNING = {
  network: "own", picture: "own", goal: "any", mode: "pixels", changes: {}, how: "step", drawn: null,
  position: Math.round((LAST * 0.6 * (proofOf("own", "own", "any", "linf")?.upper ?? 0.05)) / TOP),
};
let state = BEGINNING, past = [], future = [], kind = null;
let live = null, liveImage = null;   // the stroke that is being drawn, and the image with it: not yet part of the state

function proofOf(network, picture, goal, norm) { return given.proved[network]?.[picture]?.[goal]?.[norm] ?? null; }
const network = () => networks.find((n) => n.id === state.network);
const picture = () => pictures.find((p) => p.id === state.picture) ?? null;   // null: the reader's own
const eps = () => epsAt(state.position);
const BLANK = new Float64Array(rows * columns);
const startImage = () => picture()?.x ?? liveImage ?? state.drawn?.x ?? BLANK;
const label = () => picture()?.label ?? network().reading(startImage()).says;  // of a drawing: what the network reads
const goalFor = (y) => (state.goal === "any" || Number(state.goal) === y ? "any" : Number(state.goal));
const question = () => ({ network: network(), x: startImage(), y: label(), goal: goalFor(label()) });
const proved = (norm) => proofOf(state.network, state.picture, state.goal, norm);

// A state that fits together: own network and own picture belong to each other, a goal is another class, and so on.
function fitting(next) {
  const s = { ...next }, shown = pictures.find((p) => p.id === s.picture);
  if (shown && !shown.networks.includes(s.network)) s.network = shown.networks[0];
  if (!(s.network === "own" && s.picture === "own") && ["universal", "glasses"].includes(s.mode)) s.mode = "pixels";
  if (s.picture !== "drawn" && s.mode === "draw") s.mode = "pixels";
  const net = networks.find((n) => n.id === s.network);
  const own = shown ? shown.label : net.reading(s.drawn?.x ?? BLANK).says;
  if (s.goal !== "any" && (net.classes.length < 3 || Number(s.goal) === own)) s.goal = "any";
  if (s.how === "stored" && !proofOf(s.network, s.picture, s.goal, "linf")?.x_adv) s.how = "step";
  return s;
}

// One step to undo.  Steps of one kind that follow each other, such as those of one drag, are one.
function commit(changed, sort = null) {
  if (sort === null || sort !== kind) past.push(state);
  future = [];
  kind = sort;
  state = fitting({ ...state, ...changed });
  render();
}
function undo() { if (past.length) { future.push(state); state = past.pop(); kind = null; render(); } }
function redo() { if (future.length) { past.push(state); state = future.pop(); kind = null; render(); } }

// ---------------------------------------------------------------- the image as it is now

const nothing = { eps: 0, s: BLANK };
function allowed(e) {                // the s of the largest eps that eps allows; half a step of the slider is rounding
  return universals.filter((u) => u.eps <= e + TOP / (2 * LAST)).pop() ?? nothing;
}
function current() {
  const x = Float64Array.from(startImage());
  if (state.mode === "pixels") for (const [i, v] of Object.entries(state.changes)) x[i] = v;
  if (state.mode === "universal") allowed(eps()).s.forEach((v, i) => { if (v) x[i] = clip(x[i] + v); });
  if (state.mode === "glasses") given.glasses.mask.forEach((i, k) => { x[i] = given.glasses.pattern[k]; });
  if (state.mode !== "sign") return x;
  if (state.how === "stored") return unpack(proved("linf").x_adv);
  return state.how === "steps" ? signSteps(question(), eps()).x : signStep(question(), x, eps(), eps());
}
function sizeOf(x) {                 // how many pixels differ from the image, and by how much at most
  const moved = Array.from(startImage(), (v, i) => Math.abs(x[i] - v));
  return { used: moved.filter((s) => s > 0).length, largest: Math.max(...moved) };
}

// ---------------------------------------------------------------- the reader's best, where the browser keeps it

function bestKey() {                 // not the same for two networks, or two images of one network
  const image = state.picture === "own" ? given.number : state.picture;
  return ["beat-the-proof", network().key, image, state.goal, state.mode].join(" ");
}
function best() {                    // null: none yet, or a browser that keeps nothing for a page opened as a file
  try {
    const kept = Number(localStorage.getItem(bestKey()));
    return kept > 0 ? kept : null;
  } catch { return null; }
}
function keepBest(score) {
  const known = best();
  try { if (known === null || score < known) localStorage.setItem(bestKey(), String(score)); } catch { /* then it is not kept */ }
}
