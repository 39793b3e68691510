// Mouse, finger and keys on the picture.
//
//     pixels   tap: change(i);  drag: paint with what the first pixel became;  hold, then up or down: a grey;  wheel: a grey
//     draw     a stroke from pointer down to pointer up;  keys move the pen

const HOLD = 450;                    // ms until a press is a long one; the browsers' own is about 500
const GREY = 16 / 255, FULL = 160;   // a step of the wheel or key; how many screen pixels up are black to white
const firstEnds = new Map();         // pixel: the end that a tap gave it
let press = null, padPen = [PAD / 2, PAD / 2], penDown = false;

function setPixel(i, value, sort) {  // value undefined: back to what it was
  const changes = { ...state.changes };
  if (value === undefined || value === startImage()[i]) delete changes[i]; else changes[i] = value;
  commit({ changes }, sort);
}
function change(i, sort = null) {    // the end that helps, the other end, back again
  const now = state.changes[i], before = startImage()[i], { g } = slopeOf(question(), current());
  const helps = g[i] > 0 ? 1 : 0, ends = [helps, 1 - helps].filter((v) => v !== before);
  if (now === undefined) { firstEnds.set(i, ends[0]); setPixel(i, ends[0], sort); return; }
  const other = 1 - now;
  setPixel(i, (now === 0 || now === 1) && now === (firstEnds.get(i) ?? now) && other !== before ? other : undefined, sort);
}
function shade(i, by, sort) { setPixel(i, clip(current()[i] + by), sort); }

// ---------------------------------------------------------------- pointer

const padPoint = (event) => {
  const area = canvas.getBoundingClientRect();
  return [((event.clientX - area.left) / area.width) * PAD, ((event.clientY - area.top) / area.height) * PAD];
};
function addStroke(stroke) {
  const strokes = [...(state.drawn?.strokes ?? []), stroke], made = normalise(inkOf(strokes));
  liveImage = null;
  if (made) commit({ drawn: { strokes, x: made.x }, changes: {} });
}

canvas.addEventListener("pointerdown", (event) => {
  if (event.button || !event.isPrimary) return;
  keyboard = false;
  if (state.mode === "draw") { live = [padPoint(event)]; canvas.setPointerCapture(event.pointerId); render(); return; }
  const pixel = pixelAt(event);
  if (state.mode !== "pixels" || pixel < 0) return;
  canvas.setPointerCapture(event.pointerId);
  press = { pixel, last: pixel, y: event.clientY, sort: `press ${event.timeStamp}`, dragged: false, grey: false };
  press.timer = setTimeout(() => {
    Object.assign(press, { grey: true, value: current()[pixel] });
    cursor = pixel;
    keyboard = true;
    render();
    say("Grey: move up for brighter, down for darker.");
  }, HOLD);
});
canvas.addEventListener("pointermove", (event) => {
  if (live) { live.push(padPoint(event)); liveImage = normalise(inkOf(strokesNow()))?.x ?? null; render(); return; }
  if (!press) return;
  if (press.grey) {
    const value = asGrey(toByte(clip(press.value + (press.y - event.clientY) / FULL)));
    press.dragged ||= event.clientY !== press.y;
    if (press.dragged) setPixel(press.pixel, value, press.sort);
    return;
  }
  const pixel = pixelAt(event);
  if (pixel < 0 || pixel === press.last) return;
  clearTimeout(press.timer);
  if (!press.dragged) { press.dragged = true; change(press.pixel, press.sort); press.brush = state.changes[press.pixel]; }
  for (const i of between(press.last, pixel)) setPixel(i, press.brush, press.sort);
  press.last = cursor = pixel;
});
canvas.addEventListener("pointerup", () => {
  if (live) { const stroke = live; live = null; addStroke(stroke); return; }
  if (!press) return;
  const { pixel, dragged, timer } = press;
  clearTimeout(timer);
  press = null;
  cursor = pixel;
  kind = null;
  if (!dragged) change(pixel);        // also after a long press that went nowhere
});
canvas.addEventListener("pointercancel", () => { clearTimeout(press?.timer); press = live = liveImage = null; render(); });
canvas.addEventListener("contextmenu", (event) => event.preventDefault());   // a long press asks for one on a phone
canvas.addEventListener("wheel", (event) => {                // where the picture has the focus: else the page scrolls
  const pixel = pixelAt(event);
  if (state.mode !== "pixels" || document.activeElement !== canvas || pixel < 0) return;
  event.preventDefault();
  cursor = pixel;
  shade(pixel, event.deltaY < 0 ? GREY : -GREY, `shade ${pixel}`);
}, { passive: false });

function between(from, to) {         // the pixels on the way, without the first: a fast hand skips some
  const [r1, c1, r2, c2] = [Math.floor(from / columns), from % columns, Math.floor(to / columns), to % columns];
  const n = Math.max(Math.abs(r2 - r1), Math.abs(c2 - c1));
  const at = (a, b, k) => Math.round(a + ((b - a) * (k + 1)) / n);
  return Array.from({ length: n }, (_, k) => at(r1, r2, k) * columns + at(c1, c2, k));
}

// ---------------------------------------------------------------- keys

const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
canvas.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (state.mode === "draw") { drawByKey(event); return; }
  const move = ARROWS[event.key], by = { "+": GREY, "=": GREY, "-": -GREY }[event.key];
  if (state.mode !== "pixels" || !(move || by || event.key === "Enter" || event.key === " ")) return;
  event.preventDefault();
  keyboard = true;
  if (by) shade(cursor, by, `shade ${cursor}`);
  else if (!move) change(cursor);
  else {
    const within = (v, size) => Math.min(size - 1, Math.max(0, v));
    cursor = within(Math.floor(cursor / columns) + move[0], rows) * columns + within((cursor % columns) + move[1], columns);
    lookAt(cursor);
    render();
  }
  say(`Cursor: row ${Math.floor(cursor / columns)}, column ${cursor % columns}, grey ${current()[cursor].toFixed(2)}.`);
});
function drawByKey(event) {          // ten cells a press, so that a digit takes about thirty
  const move = ARROWS[event.key];
  if (!move && event.key !== " ") return;
  event.preventDefault();
  keyboard = true;
  if (!move) penDown = !penDown;
  const to = move ? [clip((padPen[0] + 10 * move[1]) / PAD) * PAD, clip((padPen[1] + 10 * move[0]) / PAD) * PAD] : padPen;
  if (penDown) addStroke([padPen, to]);
  padPen = to;
  render();
  say(`Pen ${penDown ? "down" : "up"}, ${Math.round(padPen[0])} across and ${Math.round(padPen[1])} down of ${PAD}.`);
}
document.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.altKey || event.target.matches("input[type=text], textarea")) return;
  const key = event.key.toLowerCase(), again = key === "y" || (key === "z" && event.shiftKey);
  if (key !== "z" && key !== "y") return;
  event.preventDefault();
  if (again) redo(); else undo();
});
