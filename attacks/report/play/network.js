// The network, its Jacobian and its margin, as minigrad/mlp.py and minigrad/margin.py have them.  Tests compare the two.
//
//     z_k = a_(k-1) W_k + b_k,    a_0 = x,    a_k = sigma(z_k),    N(x) = the last z        x (d,), W (n, m)

function half(h) {                   // IEEE 754 binary16: sign, 5 bits of exponent, 10 of fraction
  const sign = h >> 15 ? -1 : 1, exponent = (h >> 10) & 31, fraction = (h & 1023) / 1024;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction) : 2 ** -14 * fraction);
}
function bytesOf(base64) { return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)); }
function unpack({ bits, base64 }) {  // little-endian floats of 16, 32 or 64 bits, as attacks/report/play.py packs them
  const { buffer } = bytesOf(base64);
  if (bits === 16) return Float64Array.from(new Uint16Array(buffer), half);
  return Float64Array.from(bits === 32 ? new Float32Array(buffer) : new Float64Array(buffer));
}
const asGrey = (byte) => Math.fround(byte / 255);          // the float32 that MNIST's loader and load_png give
const toByte = (v) => Math.round(255 * v);

const ACTIVATIONS = {                // sigma(z), and sigma'(z)
  relu: [(z) => Math.max(z, 0), (z) => (z > 0 ? 1 : 0)],
  tanh: [Math.tanh, (z) => 1 - Math.tanh(z) ** 2],
  sigmoid: [(z) => 1 / (1 + Math.exp(-z)), (z) => Math.exp(-Math.abs(z)) / (1 + Math.exp(-Math.abs(z))) ** 2],
};

function dense({ W, b, n, m }, x) {  // z = x W + b
  const z = Float64Array.from(b);
  for (let i = 0; i < n; i++) if (x[i] !== 0) for (let j = 0; j < m; j++) z[j] += x[i] * W[i * m + j];
  return z;
}

class Network {
  constructor({ id, classes, threshold, activation, key, layers }) {
    Object.assign(this, { id, classes, threshold, key });
    this.layers = layers.map((l) => ({ W: unpack(l.W), b: unpack(l.b), n: l.inputs, m: l.outputs }));
    [this.activate, this.slope] = ACTIVATIONS[activation];
  }

  forward(x) {                       // z of every layer; the last one is the logits
    const zs = [];
    for (const layer of this.layers) zs.push(dense(layer, zs.length ? zs[zs.length - 1].map(this.activate) : x));
    return zs;
  }

  logits(x) { return this.forward(x)[this.layers.length - 1]; }

  pullback(zs, g) {                  // a row g over the logits, pulled back to the pixels: g <- (g W^T) sigma'(z)
    for (let k = this.layers.length - 1; k >= 0; k--) {
      const { W, n, m } = this.layers[k], below = new Float64Array(n);
      for (let i = 0; i < n; i++) {
        let sum = 0;
        for (let j = 0; j < m; j++) sum += g[j] * W[i * m + j];
        below[i] = k ? sum * this.slope(zs[k - 1][i]) : sum;
      }
      g = below;
    }
    return g;
  }

  jacobian(x) {                      // one row for each logit
    const zs = this.forward(x), k = zs[zs.length - 1].length;
    return Array.from({ length: k }, (_, j) => this.pullback(zs, Float64Array.from({ length: k }, (_, i) => Number(i === j))));
  }

  reading(x) {                       // the class that it says, and how sure it is: softmax, or the sigmoid of one logit
    const N = this.logits(x);
    if (N.length === 1) {
      const above = N[0] - this.threshold;
      return { says: above > 0 ? 1 : 0, sure: 1 / (1 + Math.exp(-Math.abs(above))) };
    }
    const says = N.indexOf(Math.max(...N));
    return { says, sure: 1 / N.reduce((sum, v) => sum + Math.exp(v - N[says]), 0) };
  }

  // m(x) > 0 iff x is adversarial, and the row c with m = c . N - c . t:
  //     one logit        +-(N - t)
  //     "any" goal       max over j != y of N_j - N_y
  //     a goal t         N_t - max over j != t of N_j
  margin(N, y, goal) {
    const c = new Float64Array(N.length);
    if (N.length === 1) { c[0] = y ? -1 : 1; return { m: c[0] * (N[0] - this.threshold), c }; }
    const own = goal === "any" ? y : goal;
    let best = own ? 0 : 1;
    for (let j = 0; j < N.length; j++) if (j !== own && N[j] > N[best]) best = j;
    const [plus, minus] = goal === "any" ? [best, own] : [own, best];
    c[plus] = 1; c[minus] = -1;
    return { m: N[plus] - N[minus], c };
  }

  valueAndGradient(x, y, goal) {     // m and dm/dx = c J(x)
    const zs = this.forward(x), { m, c } = this.margin(zs[zs.length - 1], y, goal);
    return { m, g: this.pullback(zs, c) };
  }
}
