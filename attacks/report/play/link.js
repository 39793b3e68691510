// The state as the part of an address behind "#", and back.  What comes from outside is checked: a link that cannot be
// read, or that is about another network, changes nothing, and the page says so in one sentence.

function toHash(s) {
  const { network: id, picture: shown, goal, mode, how, position } = s;
  const fields = new URLSearchParams({ v: "1", network: id, picture: shown, goal, mode, how, eps: String(epsAt(position)) });
  fields.set("key", networks.find((n) => n.id === s.network).key);
  fields.set("changes", Object.entries(s.changes).map(([i, v]) => `${i}_${v}`).join("~"));
  fields.set("view", [Number(view.zoom), view.row, view.column, Number(find("overlay").checked)].join("_"));
  if (s.drawn) fields.set("drawn", btoa(String.fromCharCode(...Array.from(s.drawn.x, toByte))));
  return `#${fields}`;
}

function fromHash(hash) {            // { state, view }, or null for an empty hash; throws an Error for anything else
  if (hash.length < 2) return null;
  const fields = new URLSearchParams(hash.slice(1)), get = (name) => fields.get(name) ?? "";
  const expect = (holds, what) => { if (!holds) throw new Error(what); };
  expect(get("v") === "1", "version");
  const net = networks.find((n) => n.id === get("network"));
  expect(net, "network");
  expect(get("key") === net.key, "another network");
  const shown = pictures.find((p) => p.id === get("picture"));
  expect(shown ? shown.networks.includes(net.id) : get("picture") === "drawn" && given.drawing, "picture");
  expect(get("goal") === "any" || net.classes.some((_, j) => String(j) === get("goal")), "goal");
  expect(MODES.includes(get("mode")) && HOW.includes(get("how")), "mode");
  const e = Number(get("eps") || NaN);
  expect(e >= 0 && e <= TOP, "eps");
  const position = Math.round((e / TOP) * LAST), changes = changesFrom(get("changes"), expect);
  const read = { network: net.id, picture: get("picture"), goal: get("goal"), mode: get("mode"), how: get("how"), position, changes };
  return { state: fitting({ ...read, drawn: drawnFrom(fields.get("drawn"), expect) }), view: viewFrom(get("view"), expect) };
}
function changesFrom(text, expect) {
  const changes = {};
  for (const part of text ? text.split("~") : []) {
    const [, pixel, value] = /^(\d{1,6})_([\d.e-]{1,25})$/.exec(part) ?? [];
    expect(Number(pixel) < rows * columns && Number(value) >= 0 && Number(value) <= 1, "changes");
    changes[Number(pixel)] = Number(value);
  }
  return changes;
}
function viewFrom(text, expect) {    // what is zoomed to, and whether the Jacobian is shown
  const [, zoom, row, column, overlay] = /^([01])_(\d{1,5})_(\d{1,5})_([01])$/.exec(text) ?? [];
  expect(Number(row) <= Math.floor(rows / 2) && Number(column) <= Math.floor(columns / 2), "view");
  return { zoom: zoom === "1", row: Number(row), column: Number(column), overlay: overlay === "1" };
}
function drawnFrom(text, expect) {
  if (text === null) return null;
  let bytes = null;
  try { bytes = bytesOf(text); } catch { /* not base64 */ }
  expect(bytes?.length === rows * columns && bytes.some((byte) => byte > 0), "drawing");
  return { strokes: [], x: Float64Array.from(bytes, asGrey) };
}

function openLink() {                // the state in the address, if there is one; says whether it was used
  try {
    const linked = fromHash(location.hash);
    if (!linked) return "";
    const { zoom, row, column, overlay } = linked.view;
    [past, future, state] = [[], [], linked.state];
    Object.assign(view, { zoom, row, column });
    find("overlay").checked = overlay;
    return "";
  } catch (error) {
    return error.message === "another network" ? "This link was made on a page about another network: it was ignored."
      : `This link's end could not be read (${error.message}): it was ignored.`;
  }
}
async function shareLink() {         // the address with the state in it: shown, and copied where the browser allows it
  const link = location.href.split("#")[0] + toHash(state);
  try { history.replaceState(null, "", link); } catch { /* some browsers do not let a file do that */ }
  try { await navigator.clipboard.writeText(link); return { link, copied: true }; } catch { return { link, copied: false }; }
}
