// From strokes to the 28 x 28 image that the network reads, as MNIST was made (LeCun et al. 1998, section III.A) and as
// minigrad/io/png.py does it: the ink's bounding box is scaled into 20 x 20, its centre of mass goes into the middle.

const PAD = 140, PEN = 6;            // cells of the pad, radius of the pen in cells: 2.4 pixels of 28 for a digit 100 high
const SIDE = 28, BOX = 20;

// Strokes are lists of points [x, y] in cells.  Ink falls from 1 to 0 over one cell at the pen's rim:
//     ink(cell) = max over segments of clip(PEN + 1/2 - distance to the segment)
function inkOf(strokes) {
  const ink = new Float64Array(PAD * PAD);
  for (const stroke of strokes) {
    stroke.forEach((end, k) => paintSegment(ink, stroke[Math.max(0, k - 1)], end));
  }
  return ink;
}
function paintSegment(ink, [x1, y1], [x2, y2]) {
  const dx = x2 - x1, dy = y2 - y1, length = dx * dx + dy * dy, reach = PEN + 1;
  const from = (a, b) => Math.max(0, Math.floor(Math.min(a, b) - reach));
  const to = (a, b) => Math.min(PAD - 1, Math.ceil(Math.max(a, b) + reach));
  for (let row = from(y1, y2); row <= to(y1, y2); row++) {
    for (let column = from(x1, x2); column <= to(x1, x2); column++) {
      const px = column + 0.5 - x1, py = row + 0.5 - y1;
      const t = length ? clip((px * dx + py * dy) / length) : 0;           // the nearest point of the segment
      const value = clip(PEN + 0.5 - Math.hypot(px - t * dx, py - t * dy)), i = row * PAD + column;
      if (value > ink[i]) ink[i] = value;
    }
  }
}

function boundingBox(ink, side) {    // { top, left, bottom, right }, the last two behind the ink; null without ink
  let [top, left, bottom, right] = [side, side, 0, 0];
  ink.forEach((v, i) => {
    if (v <= 0) return;
    const row = Math.floor(i / side), column = i % side;
    [top, left] = [Math.min(top, row), Math.min(left, column)];
    [bottom, right] = [Math.max(bottom, row + 1), Math.max(right, column + 1)];
  });
  return bottom ? { top, left, bottom, right } : null;
}

// Means over the areas of the new pixels: new pixel j covers [j old/size, (j + 1) old/size), so that along one axis
//     out_j = sum over i of overlap(i, j) in_i / (old / size),
// and the axes one after the other.  `at(i)` reads the old axis.
function shrink(at, old, size) {
  const ratio = old / size;
  return Array.from({ length: size }, (_, j) => {
    let sum = 0;
    for (let i = Math.floor(j * ratio); i < Math.min(old, Math.ceil((j + 1) * ratio)); i++) {
      sum += at(i) * (Math.min(i + 1, (j + 1) * ratio) - Math.max(i, j * ratio));
    }
    return sum / ratio;
  });
}
function scaled(ink, side, { top, left, bottom, right }, rows, columns) {
  const across = [];
  for (let row = top; row < bottom; row++) across.push(shrink((i) => ink[row * side + left + i], right - left, columns));
  const down = Array.from({ length: columns }, (_, c) => shrink((i) => across[i][c], bottom - top, rows));
  return Array.from({ length: rows }, (_, r) => down.map((column) => clip(column[r])));
}

// { x (784,) of bytes / 255, box, ratio, rows, columns, top, left, small } for the page to show each step; null without ink.
function normalise(ink, side = PAD) {
  const box = boundingBox(ink, side);
  if (!box) return null;
  const height = box.bottom - box.top, width = box.right - box.left, ratio = Math.min(BOX / height, BOX / width);
  const rows = Math.max(1, Math.round(height * ratio)), columns = Math.max(1, Math.round(width * ratio));
  const small = scaled(ink, side, box, rows, columns);
  let mass = 0, y = 0, x = 0;        // the centre of mass of the small picture is (y, x) / mass
  small.forEach((line, r) => line.forEach((v, c) => { mass += v; y += v * r; x += v * c; }));
  const placed = (at, size) => Math.min(SIDE - size, Math.max(0, Math.round((SIDE - 1) / 2 - at / mass)));
  const top = placed(y, rows), left = placed(x, columns), out = new Float64Array(SIDE * SIDE);
  small.forEach((line, r) => line.forEach((v, c) => { out[(top + r) * SIDE + left + c] = asGrey(toByte(v)); }));
  return { x: out, box, ratio, rows, columns, top, left, small };
}
