// The two attacks of attacks/saliency.py and attacks/sign_gradient.py, run on the margin m(x) of a question
// { network, x: the image, y: its class, goal }.  What they find is found, not proved.

const clip = (v) => Math.min(1, Math.max(0, v));
const valueOf = (question, x) => question.network.margin(question.network.logits(x), question.y, question.goal).m;
const slopeOf = (question, x) => question.network.valueAndGradient(x, question.y, question.goal);

// Greedy gain: what pixel i can earn, to first order, at the end of [0, 1] that earns it,
//     gain_i = max(g_i (1 - x_i), g_i (0 - x_i)).
function bestPixel(question, x, taken) {
  const { g } = slopeOf(question, x);
  let best = -1, most = 0;
  g.forEach((v, i) => {
    const gain = Math.max(v * (1 - x[i]), -v * x[i]);
    if (gain > most && !(i in taken)) { most = gain; best = i; }
  });
  return best < 0 ? null : { pixel: best, value: g[best] > 0 ? 1 : 0 };
}

// The best pixel again and again, g formed anew after each; then every pixel that is not needed goes back.
// Returns { changes: {pixel: value}, fooled }.
function greedy(question, atMost = 200) {
  const x = Float64Array.from(question.x), changes = {};
  while (valueOf(question, x) <= 0) {
    const next = Object.keys(changes).length < atMost ? bestPixel(question, x, changes) : null;
    if (!next) return { changes, fooled: false };
    x[next.pixel] = changes[next.pixel] = next.value;
  }
  for (const i of Object.keys(changes)) {
    x[i] = question.x[i];
    if (valueOf(question, x) > 0) delete changes[i]; else x[i] = changes[i];
  }
  return { changes, fooled: true };
}

function signStep(question, x, step, eps) {   // x + step sign(g), back into |x - x0| <= eps and [0, 1]
  const { g } = slopeOf(question, x), x0 = question.x;
  return x.map((v, i) => clip(Math.min(x0[i] + eps, Math.max(x0[i] - eps, v + step * Math.sign(g[i])))));
}

// Projected sign steps (PGD): 20 of 2.5 eps / 20 each, so that they reach the far side of the box and can come back
// (Madry et al. 2018).  Stops at the first success; otherwise the image of the largest margin.
function signSteps(question, eps, steps = 20) {
  let x = Float64Array.from(question.x), best = { x, m: -Infinity };
  for (let k = 0; k < steps; k++) {
    x = signStep(question, x, (2.5 * eps) / steps, eps);
    const m = valueOf(question, x);
    if (m > best.m) best = { x, m };
    if (m > 0) break;
  }
  return best;
}

// The smallest position of the eps slider, 0..last, at which sign steps succeed: halving, 11 times for 2000 positions.
// Success need not rise with eps, so this is the smallest one tried; null if the largest fails.
function smallestPosition(question, epsAt, last) {
  if (signSteps(question, epsAt(last)).m <= 0) return null;
  let fails = 0, works = last;
  while (works - fails > 1) {
    const middle = Math.floor((fails + works) / 2);
    if (signSteps(question, epsAt(middle)).m > 0) works = middle; else fails = middle;
  }
  return works;
}
