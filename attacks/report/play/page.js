// What is pressed, chosen, saved; and the beginning.

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
on("reset", "click", () => {         // eps stays, unless it is what one begins again with
  if (state.mode === "draw") commit({ drawn: null, changes: {} });
  else if (state.mode === "pixels") commit({ changes: {} });
  else commit({ how: "step", position: 0 });
});
on("undo", "click", undo);
on("redo", "click", redo);
on("zoom", "click", () => { view.zoom = !view.zoom; lookAt(cursor, true); render(); });
on("overview", "click", (event) => {
  const area = find("overview").getBoundingClientRect();
  const at = (v, size, count) => Math.min(count - 1, Math.max(0, Math.floor((v / size) * count)));
  view.zoom = true;
  lookAt(at(event.clientY - area.top, area.height, rows) * columns + at(event.clientX - area.left, area.width, columns), true);
  render();
});
on("eps", "input", () => {
  commit({ position: Number(find("eps").value), how: state.how === "stored" ? "step" : state.how }, "eps");
});
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
    const mode = value === "drawn" ? "draw" : state.mode;
    if (name === "picture") commit({ picture: value, changes: {}, how: "step", goal: "any", mode });
    if (name === "network") {        // with the changes, to feel the difference, unless this network is for other pictures
      const fits = !picture() || picture().networks.includes(value);
      const other = { picture: pictures.find((p) => p.networks.includes(value)).id, changes: {} };
      commit({ network: value, ...(fits ? {} : other) });
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

for (const thumbnail of document.querySelectorAll("canvas[data-picture]")) {
  greyInto(thumbnail, pictures.find((p) => p.id === thumbnail.dataset.picture).x, columns, rows);
}
window.addEventListener("hashchange", () => { find("linked").textContent = openLink(); render(); });
find("linked").textContent = openLink();
find("eps").max = LAST;
window.play = {
  logits: (x) => network().logits(x), jacobian: (x) => network().jacobian(x), margin: (x) => valueOf({ ...question() }, x),
  gradient: (x) => slopeOf(question(), x).g, current, floored, ceiled, normalise, inkOf, eps, epsAt, toHash, state: () => state,
};
render();
