"use strict";
// Draws the report from the JSON block. The data says what is wrong and what differs; nothing is judged here.
// All text becomes text nodes, never markup, whatever a secret is called.

const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data").textContent);
// The gravest first.
const STATES = { missing: "missing", deleted: "deleted", faulty: "faulty", "no-access": "no access",
  differs: "stores differ", "not-in-effect": "not in effect", "not-asked": "not asked", present: "present" };
// What a toggle shows: a state, or a mark that stands beside one.
const TOGGLES = { ...STATES, overdue: "overdue", moves: "to move", unlike: "unlike others" };
const TABS = { matrix: "Matrix", due: "Due", moves: "Moves", problems: "Problems" };
const SOON_DAYS = 30, ROW_PIXELS = 51, ROWS_AT_ONCE = 10, LIST_ROWS = 200, PRINTED_ROWS = 2000;
const narrow = matchMedia("(max-width: 640px)");
const print = matchMedia("print");

const allKeys = data.secrets.flatMap((secret) => secret.keys);
// A name such as "constructor" is a member only where the data has it. A cell stands in a list, once for all alike.
data.environments.forEach((each) => Object.setPrototypeOf(each.stores, null));
for (const { cells } of [...data.secrets, ...allKeys]) {
  Object.setPrototypeOf(cells, null);
  for (const name of Object.keys(cells)) cells[name] = data.cells[cells[name]];
}
const environments = new Map(data.environments.map((each) => [each.name, each]));
const secrets = new Map(data.secrets.map((each) => [each.id, each]));

// --- Elements

function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(2).filter((child) => child || child === 0));
  return node;
}

function button(attributes, onClick, ...children) {
  const node = el("button", { type: "button", ...attributes }, ...children);
  if (onClick) node.addEventListener("click", onClick);
  return node;
}

const number = (count) => count.toLocaleString("en");
const counted = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;
const minutes = (moment) => moment.slice(0, 16).replace("T", " ") + " UTC";
// The blanks keep words apart where they are read aloud or copied.
const stateWord = (state) => el("span", { class: `state is-${state}` }, ` ${STATES[state] ?? state} `);
const storeLetter = (environment, id) => environment.stores[id]?.letter ?? id;
const letterChip = (letters) => el("b", { class: "letter" }, letters);
const layerMark = (layer) => layer && el("span", { class: "mark layer" }, layer);
const differsMark = (differs) => differs?.length && el("span", { class: "mark differs" }, differs.join(", "));

// Only an https address becomes a link; anything else, such as `javascript:`, stays text.
function issuerLink(issuer) {
  const address = URL.canParse(issuer) && new URL(issuer);
  if (!address || address.protocol !== "https:") return issuer;
  return el("a", { href: issuer, rel: "noreferrer", target: "_blank" }, address.host + "\u00a0↗");
}

function lateness({ due, overdue }) {
  if (overdue === true) return el("em", {}, `overdue ${due ?? ""}`);
  return overdue ? "due not known" : due && `due ${due}`;
}

function ageAndDue(cell) {
  const age = cell.age === undefined ? "" : `${cell.age} d old`;
  const late = lateness(cell);
  return [age, age && late && " · ", late];
}

// One cell of the matrix. A copy of one that is alike but for its age costs a third of a new one.
const alike = new Map();
function cellNode(environment, cell) {
  if (!cell) return el("div", { role: "cell", class: "cell none" }, "not used");
  const letters = [cell.store, cell.to].filter(Boolean).map((id) => storeLetter(environment, id)).join(" → ");
  const known = [letters, cell.state, cell.layer, cell.differs].join("\n");
  if (!alike.has(known)) {
    alike.set(known, el("div", { role: "cell", class: "cell", "data-state": cell.state }, letterChip(letters),
      stateWord(cell.state), differsMark(cell.differs), layerMark(cell.layer), el("small")));
  }
  const node = alike.get(known).cloneNode(true);
  node.lastChild.append(...ageAndDue(cell).filter(Boolean));
  return node;
}

function copyLine(command) {
  const code = el("code", {}, command);
  const copy = button({ class: "copy", "aria-label": `Copy: ${command}` }, async () => {
    try {
      await navigator.clipboard.writeText(command);
      copy.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
      copy.textContent = "Selected";
    }
    setTimeout(() => { copy.textContent = "Copy"; }, 2000);
  }, "Copy");
  return el("div", { class: "command" }, code, copy);
}

const openButton = (secret, environment, words) => button({ class: "open", "aria-haspopup": "dialog" },
  () => change({ open: secret, in: environment }), words);

// --- Filters, kept in the address

const EMPTY = { tab: "matrix", text: "", environment: "", store: "", owner: "", show: [], open: "", in: "" };
const CHOICES = {
  environment: [...environments.keys()],
  store: [...new Set(data.environments.flatMap((each) => Object.keys(each.stores)))].sort(),
  owner: [...new Set(allKeys.map((key) => key.owner).filter(Boolean))].sort(),
};
let filters = EMPTY;

// Names that the data does not have are dropped: an address may come from anybody.
function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  const known = (name, names) => (names.includes(given.get(name)) ? given.get(name) : EMPTY[name]);
  filters = {
    tab: known("tab", Object.keys(TABS)),
    text: given.get("text") ?? "",
    environment: known("environment", CHOICES.environment),
    store: known("store", CHOICES.store),
    owner: known("owner", CHOICES.owner),
    show: (given.get("show") ?? "").split(",").filter((name) => Object.hasOwn(TOGGLES, name)),
    open: known("open", [...secrets.keys()]),
    in: known("in", CHOICES.environment),
  };
}

function change(changes) {
  filters = { ...filters, ...changes };
  const given = Object.entries(filters).filter(([name, value]) => String(value) !== String(EMPTY[name]));
  history.replaceState(null, "", "#" + new URLSearchParams(given));
  // What opens the panel stays, so that the focus comes back to it.
  if (Object.keys(changes).every((name) => name === "open" || name === "in")) drawPanel();
  else draw();
}

function marksOf(cell) {
  return [cell.state, cell.overdue === true && "overdue", cell.to && "moves", cell.differs && "unlike"].filter(Boolean);
}

const searchable = new Map(data.secrets.map((secret) => [secret, [
  secret.id, secret.description, ...new Set(Object.values(secret.cells).map((cell) => cell.target)),
  ...secret.keys.flatMap((key) => [key.key, key.owner])].join("\n").toLowerCase()]));
const sought = () => filters.text.trim().toLowerCase();
const matchesSecret = (secret) => searchable.get(secret).includes(sought())
  && (!filters.owner || secret.keys.some((key) => key.owner === filters.owner));
const matchesEnvironment = (name) => !filters.environment || filters.environment === name;
const matchesStore = (cell) => !filters.store || cell.store === filters.store || cell.to === filters.store;
const matchesToggles = (cell) => !filters.show.length || marksOf(cell).some((mark) => filters.show.includes(mark));
const matchesCell = (cell) => matchesStore(cell) && matchesToggles(cell);

const chosenEnvironments = () => data.environments.filter((each) => matchesEnvironment(each.name));

// For each toggle, how many cells it would show.
function countMarks() {
  const counts = Object.fromEntries(Object.keys(TOGGLES).map((name) => [name, 0]));
  const places = filters.tab === "matrix" ? columns : chosenEnvironments();
  for (const secret of data.secrets.filter(matchesSecret)) {
    for (const { name } of places) {
      const cell = secret.cells[name];
      if (cell && matchesStore(cell)) marksOf(cell).forEach((mark) => { counts[mark] += 1; });
    }
  }
  return counts;
}

// --- Matrix

let columns = [], rows = [], filling;

function columnHead(environment) {
  const stores = Object.entries(environment.stores).map(([id, { letter }]) => el("span", {}, letterChip(letter), ` ${id}`));
  const [before, after] = narrow.matches ? stepButtons(environment.name) : [];
  return el("div", { role: "columnheader", class: "cell" }, before, el("b", {}, environment.name), after,
    el("small", {}, environment.moment ? minutes(environment.moment) : "from files",
      environment.partial && " · some secrets"), el("small", {}, stores));
}

function stepButtons(name) {
  const names = CHOICES.environment;
  return [[-1, "‹", "Previous"], [1, "›", "Next"]].map(([by, sign, word]) => {
    const next = names.at((names.indexOf(name) + by) % names.length);
    return button({ class: "step", "aria-label": `${word} environment: ${next}` }, () => {
      change({ environment: next });
      document.querySelector(`.step[aria-label^=${word}]`).focus();
    }, sign);
  });
}

function drawMatrix() {
  // At a phone's width there is room for one environment.
  const wanted = chosenEnvironments().slice(0, narrow.matches ? 1 : undefined);
  if (wanted.length === columns.length && wanted.every((each, at) => each === columns[at])) return;
  const unfolded = rows.filter((row) => row.keys).map((row) => row.secret);
  columns = wanted;
  rows = data.secrets.map(secretRow);
  const unfoldAll = button({ class: "quiet", "aria-pressed": "false" }, () => {
    const isUnfolded = unfoldAll.getAttribute("aria-pressed") === "true";
    unfoldAll.setAttribute("aria-pressed", String(!isUnfolded));
    rows.forEach((row) => fold(row, isUnfolded));
  }, "Unfold all");
  const heads = el("div", { role: "row", class: "row" },
    el("div", { role: "columnheader", class: "head" }, "Secret", unfoldAll), columns.map(columnHead));
  const table = el("div", { role: "table", class: "table", "aria-label": "Secrets by environment" },
    el("div", { role: "rowgroup", class: "heads" }, heads),
    el("div", { role: "rowgroup" }, rows.map((row) => row.node)));
  table.style.setProperty("--columns", columns.length);
  byId("matrix").replaceChildren(table, el("p", { class: "legend" }, "The letter is the store in use.",
    layerMark("the layer that sets it, where that is not the environment's own file"),
    differsMark(["unlike most environments"])));
  fill(Math.ceil(innerHeight / ROW_PIXELS));
  rows.filter((row) => unfolded.includes(row.secret)).forEach((row) => fold(row, false));
}

function secretRow(secret) {
  const row = { secret, nodes: [], keys: undefined };
  row.toggle = button({ class: "fold", "aria-expanded": "false", "aria-label": `Keys of ${secret.id}` },
    () => fold(row, Boolean(row.keys)));
  row.open = openButton(secret.id, "", secret.id);
  row.node = el("div", { role: "row", class: "row secret" }, el("div", { role: "rowheader", class: "head" }, row.toggle,
    row.open, el("small", {}, counted(secret.keys.length, "key"), " ", differsMark(secret.differs))));
  return row;
}

// The rows that are seen first come at once, and the others in between, so that the page answers meanwhile.
function fill(count) {
  cancelAnimationFrame(filling);
  const waiting = rows.filter((row) => row.nodes.length < columns.length);
  waiting.slice(0, count).forEach((row) => {
    row.nodes = columns.map((environment) => cellNode(environment, row.secret.cells[environment.name]));
    row.node.append(...row.nodes);
    dim(row);
  });
  if (waiting.length > count) filling = requestAnimationFrame(() => setTimeout(fill, 0, ROWS_AT_ONCE));
}

function fold(row, isFolded) {
  row.toggle.setAttribute("aria-expanded", String(!isFolded));
  row.keys?.forEach((node) => node.remove());
  row.keys = isFolded ? undefined : row.secret.keys.map((key) => el("div", { role: "row", class: "row key" },
    el("div", { role: "rowheader", class: "head" }, el("code", {}, key.key), key.owner && el("small", {}, key.owner)),
    columns.map((environment) => cellNode(environment, key.cells[environment.name]))));
  row.node.after(...(row.keys ?? []));
}

const cellsOf = (row) => columns.map((environment) => row.secret.cells[environment.name]);
const dim = (row) => cellsOf(row).forEach((cell, at) =>
  row.nodes[at]?.classList.toggle("dim", Boolean(cell) && !matchesCell(cell)));

function filterMatrix() {
  for (const row of rows) {
    const isShown = matchesSecret(row.secret) && cellsOf(row).some((cell) => cell && matchesCell(cell));
    [row.node, ...(row.keys ?? [])].forEach((node) => { node.hidden = !isShown; });
    if (isShown) dim(row);
  }
  return rows.filter((row) => !row.node.hidden);
}

function openCell(event) {
  const cell = event.target.closest(".secret > .cell:not(.none)");
  const row = cell && rows.find((each) => each.node === cell.parentNode);
  if (row) change({ open: row.secret.id, in: columns[row.nodes.indexOf(cell)].name });
}

// --- Due, moves, problems

function table(caption, heads, found, cellsOfRow) {
  const body = el("tbody");
  const rest = button({ class: "quiet" }, () => add(found.length));
  const add = (count) => {
    body.append(...found.slice(body.rows.length, count).map((each) => el("tr", {},
      cellsOfRow(each).map((cell, at) => el("td", { "data-head": heads[at] }, cell)))));
    rest.textContent = `${number(found.length - body.rows.length)} more: show all`;
    rest.hidden = body.rows.length === found.length;
  };
  add(print.matches ? PRINTED_ROWS : LIST_ROWS);
  return [el("table", {}, el("caption", {}, caption),
    el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))), body), rest];
}

function drawList(id, nodes, none) {
  byId(id).replaceChildren(el("h2", {}, TABS[id]), ...(nodes.length ? nodes.flat() : [el("p", { class: "empty" }, none)]));
}

const dueKeys = data.secrets.flatMap((secret) => secret.keys.flatMap((key) => Object.entries(key.cells)
  .filter(([, cell]) => cell.due || cell.overdue).map(([environment, cell]) => ({ secret, key, environment, cell }))));

const shownDue = () => dueKeys.filter(({ secret, key, environment, cell }) => matchesEnvironment(environment)
  && matchesCell(cell) && matchesSecret(secret) && (!filters.owner || key.owner === filters.owner));

function drawDue(found) {
  const soon = new Date(Date.parse(data.generated) + SOON_DAYS * 86400e3).toISOString();
  const group = ({ overdue, due }) => overdue === true ? "Overdue" : overdue || !due ? "Not known"
    : due <= soon ? `In the next ${SOON_DAYS} days` : "Later";
  const day = (each) => each.cell.due ?? "9999";
  found.sort((one, other) => (day(one) < day(other) ? -1 : Number(day(one) > day(other))));
  const groups = Map.groupBy(found, (each) => group(each.cell));
  const heads = ["Due", "Key", "Environment", "Store", "Age", "Owner", "Issuer"];
  drawList("due", [...groups].map(([name, each]) => table(`${name} · ${number(each.length)}`, heads, each, dueRow)),
    "No value is due.");
}

function dueRow({ secret, key, environment, cell }) {
  return [cell.overdue === true ? el("em", {}, cell.due ?? "overdue") : cell.overdue ? "not known" : cell.due,
    openButton(secret.id, environment, `${secret.id} / ${key.key}`),
    environment, [letterChip(storeLetter(environments.get(environment), cell.store)), ` ${cell.store}`],
    cell.age === undefined ? "" : `${cell.age} d`, key.owner, key.issuer && issuerLink(key.issuer)];
}

const matchesPlace = (id, environment) => {
  const cell = secrets.get(id)?.cells[environment];
  return cell && matchesSecret(secrets.get(id)) && matchesCell(cell);
};

const shownMoves = () => (data.moves ?? []).filter((move) => matchesEnvironment(move.environment)
  && move.steps.flat().some((each) => matchesPlace(each.secret, move.environment)));

function moveNode({ environment, to, next, steps, first, commands }) {
  const all = steps.flat();
  const done = all.filter((each) => each.done).length;
  const label = `${done} of ${counted(all.length, "secret")} on ${to}`;
  const where = next ? `step ${next} of ${steps.length} is next` : "every step is done";
  return el("article", {}, el("h2", {}, `${environment} → ${to}`),
    el("p", {}, el("progress", { max: all.length, value: done, "aria-label": label }), `${label}; ${where}`),
    el("ol", {}, steps.map((step, at) => el("li", { "aria-current": at + 1 === next && "step" }, step.map((each) =>
      el("span", { class: each.done ? "moved" : "waits" }, openButton(each.secret, environment, each.secret),
        each.done ? " moved" : " waits"))))),
    first && el("p", {}, first), (commands ?? []).map(copyLine));
}

const shownProblems = () => (data.problems ?? []).filter((problem) => matchesEnvironment(problem.environment)
  && (secrets.has(problem.secret) ? matchesPlace(problem.secret, problem.environment)
    : !filters.owner && !filters.store && !filters.show.length && problem.message.toLowerCase().includes(sought())));

function problemRow({ severity, environment, secret, key, message, help, command }) {
  const name = [secret, key].filter(Boolean).join(" / ");
  return [stateWord(severity), environment,
    secrets.has(secret) ? openButton(secret, environment, name) : name,
    [el("p", {}, message), help && el("p", { class: "help" }, help), command && copyLine(command)]];
}

const drawProblems = (found) => drawList("problems", found.length
  ? table(counted(found.length, "problem"), ["Severity", "Environment", "Secret", "Problem"], found, problemRow) : [],
"No problem found.");

// --- The panel of one secret

function drawPanel() {
  const panel = byId("panel");
  const secret = secrets.get(filters.open);
  if (!secret) return panel.close();
  const gravity = (name) => Object.keys(STATES).indexOf(secret.cells[name].state);
  const names = CHOICES.environment.filter((name) => secret.cells[name]);
  const worst = [...names].sort((one, other) => gravity(one) - gravity(other))[0];
  const name = [filters.in, narrow.matches ? columns[0]?.name : filters.environment, worst].find((each) => names.includes(each));
  const choice = el("select", { "aria-label": "Environment of the panel" }, names.map((each) =>
    el("option", { value: each, selected: each === name }, `${each} — ${STATES[secret.cells[each].state]}`)));
  choice.addEventListener("change", () => {
    change({ in: choice.value });
    panel.querySelector("select").focus();
  });
  panel.replaceChildren(el("header", {}, el("h2", { id: "panel-title" }, secret.id),
    button({ class: "close", "aria-label": "Close" }, () => panel.close(), "×")), el("p", {}, secret.description ?? ""), choice,
  ...(name ? panelParts(secret, environments.get(name), secret.cells[name]) : []));
  if (!panel.open) panel.showModal();
}

function panelParts(secret, environment, cell) {
  const store = (id) => {
    const { letter, provider, address } = environment.stores[id] ?? {};
    return [letterChip(letter ?? id), ` ${id}`, provider && ` · ${provider}`, address && el("code", {}, address)];
  };
  const readers = cell.readers?.length ? el("ul", {}, cell.readers.map((each) => el("li", {}, each))) : "nobody";
  const facts = {
    State: [stateWord(cell.state), el("small", {}, ageAndDue(cell))],
    Secret: cell.target && el("code", {}, cell.target),
    "Store in use": store(cell.store),
    "Going to": cell.to && store(cell.to),
    "Decided at": cell.decidedBy && [el("code", {}, cell.decidedBy), layerMark(cell.layer && `inherited from ${cell.layer}`)],
    "Unlike others": cell.differs?.join(", "),
    Readers: cell.readers ? readers : "not asked",
    Next: cell.first || cell.next ? [cell.first, cell.next && copyLine(cell.next)] : "nothing to do",
  };
  return [el("dl", {}, Object.entries(facts).filter(([, value]) => value)
    .map(([term, value]) => el("div", {}, el("dt", {}, term), el("dd", {}, value)))),
  ...secret.keys.filter((key) => key.cells[environment.name]).map((key) => keyNode(key, environment))];
}

function keyNode(key, environment) {
  const cell = key.cells[environment.name];
  return el("section", {}, el("h3", {}, key.key),
    el("p", {}, stateWord(cell.state), el("small", {}, ageAndDue(cell), key.owner && ` · ${key.owner}`,
      key.issuer && [" · ", issuerLink(key.issuer)])),
    el("ul", {}, (cell.places ?? []).map(({ store, remoteKey, property, inUse, state }) => el("li", { class: inUse && "used" },
      letterChip(storeLetter(environment, store)), el("code", {}, remoteKey + (property ? ` [${property}]` : "")),
      el("span", {}, stateWord(state), inUse && "· in use")))));
}

// --- The whole page

function drawChoices() {
  for (const [id, names] of Object.entries(CHOICES)) {
    byId(id).append(el("option", { value: "" }, `All ${id}s`), ...names.map((name) => el("option", { value: name }, name)));
    byId(id).addEventListener("change", () => change({ [id]: byId(id).value }));
  }
  byId("text").addEventListener("input", () => change({ text: byId("text").value }));
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("clear").addEventListener("click", () => change({ ...EMPTY, tab: filters.tab }));
  byId("toggles").append(...Object.entries(TOGGLES).map(([name, word]) =>
    button({ id: `show-${name}`, class: `state is-${name}` }, () => change({
      show: filters.show.includes(name) ? filters.show.filter((each) => each !== name) : [...filters.show, name],
    }), `${word} `, el("b"))));
  byId("tabs").append(...Object.entries(TABS).map(([id, word]) =>
    button({ role: "tab", id: `tab-${id}`, "aria-controls": id }, () => change({ tab: id }), `${word} `, el("b"))));
}

function drawFilters() {
  for (const id of ["text", ...Object.keys(CHOICES)]) {
    if (byId(id).value !== filters[id]) byId(id).value = filters[id];
  }
  for (const [name, count] of Object.entries(countMarks())) {
    const toggle = byId(`show-${name}`);
    const isOn = filters.show.includes(name);
    toggle.setAttribute("aria-pressed", String(isOn));
    toggle.hidden = !count && !isOn;
    toggle.lastChild.textContent = number(count);
  }
  byId("clear").hidden = ["text", "show", ...Object.keys(CHOICES)].every((name) => !filters[name].length);
}

function draw() {
  drawMatrix();
  const found = { matrix: filterMatrix(), due: shownDue(), moves: shownMoves(), problems: shownProblems() };
  drawFilters();
  for (const id of Object.keys(TABS)) {
    const tab = byId(`tab-${id}`);
    tab.setAttribute("aria-selected", String(id === filters.tab));
    tab.lastChild.textContent = number(found[id].length);
    byId(id).hidden = id !== filters.tab;
  }
  if (filters.tab === "due" || print.matches) drawDue(found.due);
  if (filters.tab === "moves") drawList("moves", found.moves.map(moveNode), "No environment moves to another store.");
  if (filters.tab === "problems" || print.matches) drawProblems(found.problems);
  byId("shown").textContent = `${found.matrix.length} of ${counted(rows.length, "secret")} shown`;
  drawPanel();
}

function moveByArrow(event) {
  const row = rows.find((each) => each.toggle === event.target || each.open === event.target);
  const by = { ArrowDown: 1, ArrowUp: -1, ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!by || !(row || event.target.role === "tab")) return;
  event.preventDefault();
  if (row && ["ArrowRight", "ArrowLeft"].includes(event.key)) return fold(row, by < 0);
  const all = row ? rows.filter((each) => !each.node.hidden).map((each) => event.target === row.open ? each.open : each.toggle)
    : [...byId("tabs").children];
  all[all.indexOf(event.target) + by]?.focus();
}

drawChoices();
byId("when").textContent = [counted(data.secrets.length, "secret"), counted(data.environments.length, "environment"),
  minutes(data.generated)].join(" · ");
byId("matrix").addEventListener("click", openCell);
byId("panel").addEventListener("close", () => filters.open && change({ open: "", in: "" }));
byId("panel").addEventListener("click", (event) => event.target === byId("panel") && byId("panel").close());
addEventListener("hashchange", () => { readAddress(); draw(); });
addEventListener("keydown", moveByArrow);
[narrow, print].forEach((media) => media.addEventListener("change", draw));
readAddress();
draw();
byId("top").hidden = byId("views").hidden = false;
