// `render` draws everything from the state: what is read, won and proved, what can be chosen and pressed, the picture.

function say(more) { find("status").textContent = `${statusSentence(sizeOf(current()))} ${more}`; }

function render() {
  const drawing = state.mode === "draw", x = current(), size = sizeOf(x), { m, g } = slopeOf(question(), x);
  const fooled = m > 0 && !drawing;
  const goal = aGoal() === "another digit" ? `flip this ${nameOf(label())}` : `make this ${nameOf(label())} ${aGoal()}`;
  find("title").textContent = `Beat the proof: ${drawing ? "draw a digit" : goal}`;
  find("first").replaceChildren(...FIRST[state.mode].split("*").map((text, k) => (k % 2 ? strong(text) : text)));
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
  find("legend").textContent = overlay ? `Orange: brighter makes it ${aGoal()}. Blue: darker does. The stronger, the more.` : "";
  paint(x, overlay ? g : null);
  paintOverview(x);
  if (given.drawing) paintTransformation();
}

const strong = (text) => Object.assign(document.createElement("strong"), { textContent: text });
const aGoal = () => (goalName() === "another digit" ? goalName() : `a ${goalName()}`);

function renderBest(fooled, { used, largest }) {
  const counts = state.mode === "pixels" || state.mode === "sign", score = state.mode === "pixels" ? used : largest;
  if (fooled && counts && picture() && score > 0 && !shownSolution()) keepBest(score);
  const kept = counts && picture() ? best() : null;
  const words = kept && (state.mode === "pixels" ? pixels(kept) : `eps ${ceiled(kept, 4)}`);
  find("best").textContent = kept === null ? "" : `Your best here: ${words}.`;
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
  const two = network().classes.length < 3, others = network().classes.map((name, j) => [String(j), `a ${name}`]);
  const goals = two ? [["any", aGoal()]] : [["any", "anything else"], ...others.filter(([j]) => Number(j) !== label())];
  const withProof = (goal, text) => (proofOf(state.network, state.picture, goal, "l0") ? `${text} (with proof)` : text);
  find("goal").replaceChildren(...goals.map(([j, text]) => new Option(withProof(j, text), j, false, j === state.goal)));
  find("goal").disabled = goals.length < 2 || state.mode === "draw";
}
function renderButtons() {
  const { mode } = state, attacks = mode === "pixels" || mode === "sign";
  const stored = mode === "sign" ? proved("linf")?.x_adv : proved("l0")?.changes;
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
  find("eps").disabled = mode !== "sign" && mode !== "universal";
  find("signsteps").disabled = find("smallest").disabled = mode !== "sign";
  find("eps").value = state.position;
  find("shown").textContent = eps().toFixed(4);
  find("signsteps").setAttribute("aria-pressed", String(state.how === "steps"));
  const told = recipe();
  find("tohave").hidden = !told;
  for (const part of ["title", "note", "lines"]) find(`tohave-${part}`).textContent = told?.[part] ?? "";
}
