// The picture, the whole of it or a zoomed quarter, with what was changed, the cursor and, if asked for, the Jacobian.

const find = (id) => document.getElementById(id);
const canvas = find("picture");
const view = { zoom: false, row: 0, column: 0 };             // the window's first row and column, where zoomed
let cursor = Math.floor(rows / 2) * columns + Math.floor(columns / 2), keyboard = false;

{                                                            // 560 units along the longer side
  const long = Math.max(rows, columns);
  canvas.width = (560 * columns) / long;
  canvas.height = (560 * rows) / long;
  canvas.style.width = `${(100 * columns) / long}%`;
  canvas.style.aspectRatio = `${columns} / ${rows}`;
}

// The pixels that are shown: { row, column, rows, columns }.
function frame() {
  if (!view.zoom || state.mode === "draw") return { row: 0, column: 0, rows, columns };
  return { row: view.row, column: view.column, rows: Math.ceil(rows / 2), columns: Math.ceil(columns / 2) };
}
function lookAt(pixel, centre = false) {                     // move the window so that the pixel is in it
  const f = { rows: Math.ceil(rows / 2), columns: Math.ceil(columns / 2) };
  const row = Math.floor(pixel / columns), column = pixel % columns;
  const within = (v, most) => Math.min(most, Math.max(0, v));
  const next = (first, at, size) => (centre ? at - Math.floor(size / 2) : Math.min(at, Math.max(first, at - size + 1)));
  view.row = within(next(view.row, row, f.rows), rows - f.rows);
  view.column = within(next(view.column, column, f.columns), columns - f.columns);
}
function pixelAt(event) {                                    // under the pointer; -1 beside the picture
  const area = canvas.getBoundingClientRect(), f = frame();
  const column = Math.floor(((event.clientX - area.left) / area.width) * f.columns);
  const row = Math.floor(((event.clientY - area.top) / area.height) * f.rows);
  return row < 0 || column < 0 || row >= f.rows || column >= f.columns ? -1 : (f.row + row) * columns + f.column + column;
}

function paint(x, g) {
  if (state.mode === "draw") { paintPad(); return; }
  const pen = canvas.getContext("2d"), f = frame(), width = canvas.width / f.columns, height = canvas.height / f.rows;
  const most = g ? g.reduce((a, v) => Math.max(a, Math.abs(v)), 1e-300) : 1;
  const area = (i) => [((i % columns) - f.column) * width, (Math.floor(i / columns) - f.row) * height];
  const shown = [];
  for (let r = f.row; r < f.row + f.rows; r++) for (let c = f.column; c < f.column + f.columns; c++) shown.push(r * columns + c);
  for (const i of shown) {
    const [left, top] = area(i), grey = toByte(x[i]);
    pen.fillStyle = `rgb(${grey},${grey},${grey})`;
    pen.fillRect(left, top, width + 0.5, height + 0.5);
    if (g && g[i]) {                                         // the square root, so that weak ones are seen as well
      pen.fillStyle = g[i] > 0 ? "#E69F00" : "#56B4E9";
      pen.globalAlpha = 0.9 * Math.sqrt(Math.abs(g[i]) / most);
      pen.fillRect(left, top, width, height);
      pen.globalAlpha = 1;
    }
  }
  pen.lineWidth = 3;
  const outline = (i, colour) => {
    const [left, top] = area(i);
    pen.strokeStyle = colour;
    pen.strokeRect(left + 1.5, top + 1.5, width - 3, height - 3);
  };
  if (state.mode !== "pixels") return;
  for (const i of shown) if (i in state.changes) outline(i, "#D55E00");
  if (keyboard && shown.includes(cursor)) outline(cursor, "#56B4E9");
}

const strokesNow = () => [...(state.drawn?.strokes ?? []), ...(live ? [live] : [])];
function paintPad() {                                        // the ink as it is drawn, dark border and all
  const strokes = strokesNow(), ink = inkOf(strokes);
  const pen = canvas.getContext("2d");
  if (!strokes.length && state.drawn) greyInto(canvas, state.drawn.x, columns, rows);
  else greyInto(canvas, ink, PAD, PAD);
  pen.strokeStyle = "#777"; pen.lineWidth = 2;
  pen.strokeRect(1, 1, canvas.width - 2, canvas.height - 2);
  if (!keyboard) return;
  pen.strokeStyle = "#56B4E9";
  pen.beginPath();
  pen.arc((padPen[0] * canvas.width) / PAD, (padPen[1] * canvas.height) / PAD, (PEN * canvas.width) / PAD, 0, 2 * Math.PI);
  pen.stroke();
}
function greyInto(target, values, width, height, smooth = false) {       // values 0..1, row by row, over the whole canvas
  const small = document.createElement("canvas");
  [small.width, small.height] = [width, height];
  const image = new ImageData(width, height);
  values.forEach((v, i) => { image.data.fill(toByte(v), 4 * i, 4 * i + 3); image.data[4 * i + 3] = 255; });
  small.getContext("2d").putImageData(image, 0, 0);
  const pen = target.getContext("2d");
  pen.imageSmoothingEnabled = smooth;
  pen.drawImage(small, 0, 0, target.width, target.height);
}

function paintOverview(x) {                                  // the whole picture, small, and where the window is
  const whole = find("overview"), f = frame();
  [whole.width, whole.height] = [4 * columns, 4 * rows];
  greyInto(whole, x, columns, rows);
  const pen = whole.getContext("2d");
  pen.strokeStyle = "#E69F00"; pen.lineWidth = 4;
  pen.strokeRect(4 * f.column + 2, 4 * f.row + 2, 4 * f.columns - 4, 4 * f.rows - 4);
}

// The three steps from ink to the 28 x 28 that the network reads, and the numbers of each.
function paintTransformation() {
  const ink = inkOf(strokesNow()), made = normalise(ink);
  find("transformation").hidden = state.mode !== "draw";
  for (const id of ["ink", "boxed", "centred"]) { const c = find(id); c.getContext("2d").clearRect(0, 0, c.width, c.height); }
  find("steps").textContent = stepsSentence(made);
  if (!made) return;
  const { box, small } = made, pen = find("ink").getContext("2d"), unit = find("ink").width / PAD;
  greyInto(find("ink"), ink, PAD, PAD, true);
  pen.strokeStyle = "#E69F00"; pen.lineWidth = 2;
  pen.strokeRect(box.left * unit, box.top * unit, (box.right - box.left) * unit, (box.bottom - box.top) * unit);
  const boxed = new Float64Array(BOX * BOX);
  small.forEach((line, r) => line.forEach((v, c) => { boxed[r * BOX + c] = v; }));
  greyInto(find("boxed"), boxed, BOX, BOX);
  greyInto(find("centred"), made.x, SIDE, SIDE);
}
