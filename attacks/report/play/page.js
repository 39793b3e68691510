// The rest of the page: what is chosen, shown and saved.  `render` draws everything from the state.

function say(more) { find("status").textContent = `${statusSentence(sizeOf(current()))} ${more}`; }

function render() {
  const drawing = state.mode === "draw", x = current(), size = sizeOf(x), { m, g } = slopeOf(question(), x), fooled = m > 0 && !drawing;
  const goal = goalName() === "another digit" ? `flip this ${nameOf(label())}` : `make this ${nameOf(label())} a ${goalName()}`;
  find("title").textContent = `Beat the proof: ${drawing ? "draw a digit" : goal}`;
  find("first").replaceChildren(...FIRST[state.mode].split("*").map((text, k) => (k % 2 ? Object.assign(document.createElement("strong"), { textContent: text }) : text)));
  find("verdict").textContent = verdict(x, m);
  for (const id of ["verdict", "fill", "win"]) find(id).classList.toggle("fooled", fooled);
  const scale = Math.max(Math.abs(valueOf(question(), startImage())), 1e-9), share = 50 * Math.min(1, Math.abs(m) / scale);
  find("fill").style.left = `${fooled ? 50 : 50 - share}%`;
  find("fill").style.width = `${drawing ? 0 : share}%`;
  find("from").textContent = drawing ? "" : nameOf(label());
  find("to").textContent = drawing ? "" : goalName();
  find("margin").textContent = drawing ? "" : `margin ${m.toFixed(3)}`;
  find("status").textContent = statusSentence(size);
  find("win").textContent = fooled ? winSentence(size) : "";
  find("proof").textContent = proofSentence();
  find("checked").textContent = checkSentence();
  find("difference").textContent = differenceSentence();
  find("intro").textContent = INTROS[state.mode];
  renderBest(fooled, size);
  renderChoices();
  renderButtons();
  const rounded = x.map((v, i) => (v === startImage()[i] ? v : asGrey(toByte(v)))), says = network().reading(rounded).says;
  find("bytes").textContent = drawing ? "" : `Saved as a picture, with changed pixels rounded to bytes: ${nameOf(says)}.`;
  const overlay = find("overlay").checked && !drawing;
  find("legend").textContent = overlay ? `Orange: brighter makes it ${goalName() === "another digit" ? goalName() : `a ${goalName()}`}. Blue: darker does. The stronger, the more.` : "";
  paint(x, overlay ? g : null);
  paintOverview(x);
  if (given.drawing) paintTransformation();
}

function renderBest(fooled, { used, largest }) {
  const counts = state.mode === "pixels" || state.mode === "sign", score = state.mode === "pixels" ? used : largest;
  if (fooled && counts && picture() && score > 0 && !shownSolution()) keepBest(score);
  const kept = counts && picture() ? best() : null;
  find("best").textContent = kept === null ? "" : `Your best here: ${state.mode === "pixels" ? pixels(kept) : `eps ${ceiled(kept, 4)}`}.`;
}
function shownSolution() {           // what a solution holds is nobody's score
  if (state.mode === "sign") return state.how === "stored";
  const stored = proved("l0")?.changes ?? [];
  return stored.length > 0 && stored.every(([i, v]) => state.changes[i] === v) && solutionSeen.has(bestKey());
}
const solutionSeen = new Set();

function renderChoices() {
  const drawn = state.picture === "drawn", own = state.network === "own" && state.picture === "own";
  for (const input of document.querySelectorAll("input[type=radio]")) {
    input.checked = state[input.name] === input.value;
    if (input.name === "mode") {
      const shown = { universal: own && universals.length > 0, glasses: own, draw: drawn }[input.value] ?? true;
      input.closest("label").hidden = !shown;
    }
  }
  const options = [["any", "anything else"], ...network().classes.map((name, j) => [String(j), `a ${name}`]).filter(([j]) => Number(j) !== label())];
  const goals = network().classes.length < 3 ? [["any", `a ${nameOf(1 - label())}`]] : options;
  find("goal").replaceChildren(...goals.map(([value, text]) => new Option(proofOf(state.network, state.picture, value, "l0") ? `${text} (with proof)` : text, value, false, value === state.goal)));
  find("goal").disabled = goals.length < 2 || state.mode === "draw";
}
function renderButtons() {
  const { mode } = state, stored = mode === "sign" ? proved("linf")?.x_adv : proved("l0")?.changes, attacks = mode === "pixels" || mode === "sign";
  find("hint").disabled = find("greedy").disabled = mode !== "pixels";
  find("hint").hidden = mode === "draw";
  find("solution").disabled = !attacks || !stored;
  find("undo").disabled = !past.length;
  find("redo").disabled = !future.length;
  find("reset").disabled = mode === "glasses";
  find("attack").hidden = mode !== "draw";
  find("attack").disabled = !state.drawn;
  find("zoom").setAttribute("aria-pressed", String(view.zoom));
  find("zoom").disabled = mode === "draw";
  for (const id of ["eps", "signsteps", "smallest"]) find(id).disabled = mode === "pixels" || mode === "glasses" || mode === "draw" || (id !== "eps" && mode !== "sign");
  find("eps").value = state.position;
  find("shown").textContent = eps().toFixed(4);
  find("signsteps").setAttribute("aria-pressed", String(state.how === "steps"));
  find("tohave").hidden = state.picture !== "drawn" || mode === "draw";
  find("lines").textContent = find("tohave").hidden ? "" : proofLines();
}

// ---------------------------------------------------------------- buttons

const on = (id, event, act) => find(id).addEventListener(event, act);
function show(pixel) { cursor = pixel; keyboard = true; lookAt(pixel); }
on("hint", "click", () => {
  const next = bestPixel(question(), current(), state.changes);
  if (!next) { say("No pixel is left that helps, to first order."); return; }
  show(next.pixel);
  setPixel(next.pixel, next.value);
});
on("greedy", "click", () => {
  const { changes, fooled } = greedy(question());
  commit({ changes });
  if (!fooled) say("Greedy gain found no way.");
});
on("solution", "click", () => {
  solutionSeen.add(bestKey());
  if (state.mode === "pixels") { commit({ changes: Object.fromEntries(proved("l0").changes) }); return; }
  const s = unpack(proved("linf").x_adv), x0 = startImage();
  commit({ how: "stored", position: positionOf(s.reduce((most, v, i) => Math.max(most, Math.abs(v - x0[i])), 0)) });
});
on("reset", "click", () => (state.mode === "draw" ? commit({ drawn: null, changes: {} }) : commit({ changes: {}, how: "step", position: state.mode === "pixels" ? state.position : 0 })));
on("undo", "click", undo);
on("redo", "click", redo);
on("zoom", "click", () => { view.zoom = !view.zoom; lookAt(cursor, true); render(); });
on("overview", "click", (event) => {
  const area = find("overview").getBoundingClientRect(), at = (v, size, count) => Math.min(count - 1, Math.max(0, Math.floor((v / size) * count)));
  view.zoom = true;
  lookAt(at(event.clientY - area.top, area.height, rows) * columns + at(event.clientX - area.left, area.width, columns), true);
  render();
});
on("eps", "input", () => commit({ position: Number(find("eps").value), how: state.how === "stored" ? "step" : state.how }, "eps"));
on("eps", "change", () => { kind = null; });
on("signsteps", "click", () => commit({ how: state.how === "steps" ? "step" : "steps" }));
on("smallest", "click", () => {
  const position = smallestPosition(question(), epsAt, LAST);
  if (position === null) say(`Sign steps found nothing up to eps ${TOP.toFixed(2)}.`); else commit({ how: "steps", position });
});
on("overlay", "change", render);
on("goal", "change", () => commit({ goal: find("goal").value }));
on("attack", "click", () => { commit({ mode: "pixels", changes: {} }); canvas.focus({ preventScroll: true }); });
on("share", "click", async () => {
  const { link, copied } = await shareLink();
  find("link").value = link;
  find("link").hidden = find("linklabel").hidden = false;
  find("shared").textContent = copied ? "The link is copied; it holds all you see." : "Copy this link; it holds all you see.";
});
for (const radio of document.querySelectorAll("input[type=radio]")) {
  radio.addEventListener("change", () => {
    const { name, value } = radio;
    if (name === "mode") commit({ mode: value });
    if (name === "picture") commit({ picture: value, changes: {}, how: "step", goal: "any", mode: value === "drawn" ? "draw" : state.mode });
    if (name === "network") {        // with the changes, to feel the difference, unless this network is for other pictures
      const fits = !picture() || picture().networks.includes(value);
      commit(fits ? { network: value } : { network: value, picture: pictures.find((p) => p.networks.includes(value)).id, changes: {} });
    }
    if (value === "drawn") canvas.scrollIntoView({ block: "nearest" });
  });
}

// ---------------------------------------------------------------- pictures to keep

function download(name, source) {
  const a = document.createElement("a");
  [a.href, a.download] = [source.toDataURL("image/png"), name];
  a.click();
}
function asPng(x) {                  // 28 x 28 and opaque: read again, it is the same to the last bit
  const c = document.createElement("canvas");
  [c.width, c.height] = [columns, rows];
  greyInto(c, x, columns, rows);
  return c;
}
on("digit", "click", () => download("digit.png", asPng(startImage())));
on("save", "click", () => download("attacked.png", asPng(current())));
on("card", "click", () => {          // the picture as it is on the page, with what the network says under it
  const c = document.createElement("canvas"), pen = c.getContext("2d");
  [c.width, c.height] = [canvas.width, canvas.height + 90];
  pen.fillStyle = "white"; pen.fillRect(0, 0, c.width, c.height);
  pen.drawImage(canvas, 0, 0);
  pen.fillStyle = "black"; pen.font = "600 22px system-ui, sans-serif";
  pen.fillText(find("verdict").textContent, 10, canvas.height + 34, c.width - 20);
  pen.font = "18px system-ui, sans-serif";
  pen.fillText(find("win").textContent || find("status").textContent, 10, canvas.height + 68, c.width - 20);
  download("beat-the-proof.png", c);
});

// ---------------------------------------------------------------- begin

for (const thumbnail of document.querySelectorAll("canvas[data-picture]")) greyInto(thumbnail, pictures.find((p) => p.id === thumbnail.dataset.picture).x, columns, rows);
window.addEventListener("hashchange", () => { find("linked").textContent = openLink(); render(); });
find("linked").textContent = openLink();
find("eps").max = LAST;
window.play = {
  logits: (x) => network().logits(x), jacobian: (x) => network().jacobian(x), margin: (x) => valueOf({ ...question() }, x),
  gradient: (x) => slopeOf(question(), x).g, current, floored, ceiled, normalise, inkOf, eps, epsAt, toHash, state: () => state,
};
render();
