// Follows cases_tables.js in one script.
// ---- the list
const kindOf = c => [c.kind, c.error].filter(Boolean).join(" · ") + (c.doubtful ? " · label worth checking" : "");
const columnsNow = () => [
  {name: "#", text: c => c.rank, sort: c => c.rank},
  {name: "Sample", text: c => c.id, sort: c => c.id},
  ...(D.cases.some(c => c.subject && c.subject !== c.id) ? [{name: "Subject", text: c => c.subject, sort: c => c.subject}] : []),
  {name: "Reference", text: c => c.target, sort: c => isNumber ? (c.truth[0] === "" ? null : Number(c.truth[0])) : c.target},
  {name: "Predicted", text: c => c.prediction, sort: c => isNumber ? Number(c.answers[0]) : c.prediction},
  ...(other ? [{name: "Other model", text: c => c.other ? c.other.words : "", sort: c => !c.other ? null : isNumber || (one && one.rule === "least") ? Number(c.other.answers[0]) : c.other.words, wrong: c => c.other && c.other.wrong}] : []),
  {name: "Error", text: kindOf, sort: c => c.size, wrong: c => c.wrong, down: true},
  ...(D.cases.some(c => c.distance != null) ? [{name: "Distance", text: c => c.distance == null ? "" : c.distance.toFixed(2), sort: c => c.distance, wrong: c => c.distance > 1, down: true}] : []),
  ...D.groups.map((name, i) => ({name, text: c => c.groups[i], sort: c => c.groups[i]})),
  {name: "Note", text: noteText, sort: c => noteOf(c).mark + noteOf(c).note || null},
];
let columns = [], order = {name: "#", down: false}, shown = [], limit = 500, chosen = null;

const unique = of => [...new Set(D.cases.map(of))].filter(x => x !== "").sort(natural);
const natural = (a, b) => String(a).localeCompare(String(b), undefined, {numeric: true});
const FEW = 40;
function filtersNow() {
  const equal = (name, of) => ({name, options: Object.fromEntries(unique(of).map(x => [x, c => of(c) === x]))});
  const list = [];
  const verdicts = {"wrong": c => c.wrong === true, "right": c => c.wrong === false, "label worth checking": c => c.doubtful};
  if (D.cases.some(c => c.wrong)) list.push({name: "Verdict", options: verdicts});
  if (one && one.rule === "class") list.push(equal("Reference", c => c.truth[0]), equal("Predicted", c => c.answers[0]));
  else if (D.judgements.some(rule => rule.rule !== "near" && rule.rule !== "least")) list.push(equal("Reference", c => c.target));
  D.groups.forEach((name, i) => list.push(equal(name, c => c.groups[i])));
  list.push({name: "Mark", options: {...Object.fromEntries(MARKS.map(x => [x, c => noteOf(c).mark === x])), "any note": c => !!notes[c.id], "no note": c => !notes[c.id]}});
  if (D.cases.some(c => !c.picture)) list.push({name: "Picture", options: {"with": c => !!c.picture, "without": c => !c.picture}});
  if (other) list.push({name: "Models", options: PAIRED});
  return list.map(f => ({...f, options: Object.fromEntries(Object.entries(f.options).map(([x, of]) => [x, {of, n: D.cases.filter(of).length}]))}))
    .filter(f => Object.keys(f.options).length > 1 && Object.keys(f.options).length <= FEW);
}
let filters = [];
function buildFilters() {
  const before = Object.fromEntries(filters.map(f => [f.name, f.select.value]));
  filters = filtersNow();
  $("selects").replaceChildren(...filters.map(f => {
    f.select = element("select");
    f.select.append(element("option", "all", {value: ""}), ...Object.entries(f.options).map(([x, o]) => element("option", `${x} (${o.n})`, {value: x})));
    if (before[f.name] in f.options) f.select.value = before[f.name];
    f.select.onchange = () => { limit = 500; list(); };
    const label = element("label", f.name + " ");
    label.append(f.select);
    return label;
  }));
}

function list() {
  columns = columnsNow();
  const text = $("search").value.trim().toLowerCase();
  const active = filters.filter(f => f.select.value).map(f => f.options[f.select.value].of);
  shown = D.cases.filter(c => active.every(of => of(c)) && (!text || columns.slice(1).some(k => String(k.text(c)).toLowerCase().includes(text))));
  const by = columns.find(k => k.name === order.name) || columns[0];
  const missing = x => x == null || x === "" || Number.isNaN(x);
  shown.sort((a, b) => {
    const [x, y] = [by.sort(a), by.sort(b)];
    if (missing(x) || missing(y)) return missing(x) - missing(y) || a.rank - b.rank;
    const step = typeof x === "number" ? x - y : natural(x, y);
    return (order.down ? -step : step) || a.rank - b.rank;
  });
  $("list").querySelector("thead tr").replaceChildren(...columns.map(k => {
    const here = k === by, head = element("th", null, {scope: "col"});
    if (here) head.setAttribute("aria-sort", order.down ? "descending" : "ascending");
    const button = element("button", k.name + (here ? (order.down ? " ▼" : " ▲") : ""), {type: "button"});
    button.onclick = () => { order = {name: k.name, down: here ? !order.down : !!k.down}; list(); };
    head.append(button);
    return head;
  }));
  $("list").querySelector("tbody").replaceChildren(...shown.slice(0, limit).map(c => {
    const row = element("tr");
    row.append(...columns.map(k => element("td", k.text(c), {dir: "auto", className: (k.wrong && k.wrong(c) ? "wrong " : "") + (k.name === "Error" ? "error" : "")})));
    row.onclick = () => choose(c);
    row.setAttribute("aria-selected", c === chosen);
    return row;
  }));
  $("more").hidden = shown.length <= limit;
  $("count").textContent = `${shown.length} of ${D.cases.length} cases listed.`;
}

// ---- the chosen case
let sprite = null, labels = null, at = 0, timer = 0, turned = 0;
const load = uri => new Promise((done, failed) => { const image = new Image(); image.onload = () => done(image); image.onerror = failed; image.src = uri; });

async function choose(c, scroll) {
  stop();
  chosen = c;
  const index = shown.indexOf(c);
  if (index >= limit) { limit = Infinity; list(); }
  [...$("list").querySelector("tbody").rows].forEach((row, i) => row.setAttribute("aria-selected", i === index));
  if (scroll && index >= 0) $("list").querySelector("tbody").rows[index].scrollIntoView({block: "nearest"});
  $("chosen").textContent = c.id;
  const rows = [["Reference", c.target], ["Predicted", c.prediction], ...(c.other ? [["Other model", c.other.words]] : []), ["Error", kindOf(c)],
    ...(c.subject && c.subject !== c.id ? [["Subject", c.subject]] : []), ...(c.distance != null ? [["Distance", c.distance.toFixed(2) + (c.distance > 1 ? ": unlike the training images" : "")]] : []),
    ...D.groups.map((name, i) => [name, c.groups[i]])].filter(r => r[1]);
  $("facts").replaceChildren(...rows.map(([name, text]) => {
    const pair = element("div");
    pair.append(element("dt", name), element("dd", text, {dir: "auto"}));
    return pair;
  }));
  questions(c);
  $("mark").value = noteOf(c).mark;
  $("note").value = noteOf(c).note;
  const p = c.picture;
  sprite = labels = null;
  $("base").hidden = $("over").hidden = $("controls").hidden = !p;
  $("without").hidden = !!p;
  $("convention").textContent = p ? convention(p) : "";
  if (!p) { $("without").textContent = "No picture: the page has those of the largest errors (evaluate.cases)."; return; }
  $("through").hidden = p.at.length < 2;
  $("play").hidden = D.modality !== "video";
  $("masks").hidden = !p.masks;
  $("at").max = p.at.length - 1;
  at = p.start;
  const images = await Promise.all([load(p.image), ...(p.masks || []).map(load)]);
  if (chosen !== c) return;
  sprite = images[0];
  labels = images.slice(1).map(image => {
    const canvas = element("canvas", null, {width: image.width, height: image.height});
    const context = canvas.getContext("2d", {willReadFrequently: true});
    context.drawImage(image, 0, 0);
    return context;
  });
  draw();
}

function questions(c) {  // zone by zone, finding by finding
  const line = (tag, cells) => {
    const row = element("tr");
    row.append(...cells.map((x, i) => element(i && tag === "td" ? "td" : "th", x[0], {className: x[1] ? "wrong" : ""})));
    return row;
  };
  const words = (rule, answer) => answer === "" ? "–" : rule.rule === "call" ? ["absent", "present"][answer] : rule.rule === "class" ? answer : String(Number(Number(answer).toPrecision(4)));
  const parts = one ? [] : D.judgements.map((rule, i) => line("td", [[rule.name], [words(rule, c.truth[i])],
    ...[c.answers, ...(c.other ? [c.other.answers] : [])].map(all => [words(rule, all[i]), judged(rule, all[i], c.truth[i])])]));
  const head = element("thead"), body = element("tbody");
  head.append(line("th", ["", "Reference", "Predicted", ...(c.other ? ["Other model"] : [])].map(x => [x])));
  body.append(...parts);
  $("questions").replaceChildren(...(parts.length ? [head, body] : []));
}

function convention(p) {
  const parts = [];
  if (D.modality === "volume") parts.push(`${D.convention} Axial planes, ${p.at.length} of ${p.of}, from inferior to superior; anterior is above.`);
  else {
    parts.push(p.sides ? `Letters: ${p.sides.map(x => NAMES[x[0]] || x).join(" and ")} of the patient, by the file's header.` : "Without letters: displayed as stored, because the file does not state the side.");
    if (D.modality === "video") parts.push(`${p.at.length} of ${p.of} prepared frames, played ` + (p.time ? `at the speed of the recording (${(1000 / p.time).toFixed(1)} a second).` : "at 10 a second: the file does not state its speed."));
  }
  if (p.masks) parts.push(`Blue: the reference; orange: the model; on the grid of the network's input.`);
  return parts.join(" ");
}
const NAMES = {R: "right", L: "left", A: "anterior", P: "posterior", H: "head", F: "foot"};

function draw() {
  const p = chosen && chosen.picture;
  if (!p || !sprite) return;
  const [h, w] = p.size, ratio = window.devicePixelRatio || 1;
  const scale = Math.min($("stage").clientWidth / w, Math.max(240, window.innerHeight * 0.5) / h);
  const [width, height] = [Math.round(w * scale * ratio), Math.round(h * scale * ratio)];
  for (const canvas of [$("base"), $("over")]) {
    Object.assign(canvas, {width, height});
    Object.assign(canvas.style, {width: width / ratio + "px", height: height / ratio + "px"});
  }
  const row = Math.floor(at / p.across), column = at % p.across;
  const base = $("base").getContext("2d"), over = $("over").getContext("2d");
  base.imageSmoothingEnabled = Math.max(h, w) >= 64;
  base.imageSmoothingQuality = "high";
  base.drawImage(sprite, column * p.tile[1], row * p.tile[0], w, h, 0, 0, width, height);
  if (labels.length) drawMasks(over, p, row, column, width, height, ratio);
  if (p.sides) {
    Object.assign(over, {font: `${16 * ratio}px sans-serif`, fillStyle: "#fff", strokeStyle: "#000", lineWidth: 3 * ratio, textBaseline: "middle"});
    p.sides.forEach((letter, i) => {
      over.textAlign = i ? "right" : "left";
      const x = i ? width - 6 * ratio : 6 * ratio;
      over.strokeText(letter, x, height / 2);
      over.fillText(letter, x, height / 2);
    });
  }
  $("at").value = at;
  const where = D.modality === "volume" ? "Plane" : "Frame";
  $("position").textContent = p.at.length > 1 ? `${where} ${p.at[at] + 1} of ${p.of}` : "";
  $("at").setAttribute("aria-valuetext", $("position").textContent);
  $("over").setAttribute("aria-label", [`Picture of ${chosen.id}`, $("position").textContent].filter(Boolean).join(", "));
}

// A pixel's label as it is drawn; of one class where it is, whatever else is there, so that its outline is that of all of it.
const drawn = (k, which) => !which ? k : Number(D.overlapping ? (k >> (which - 1)) & 1 : k === which);

function drawMasks(context, p, row, column, width, height, ratio) {
  const [mh, mw] = p.labels, [top, left, tall, wide] = p.box;
  const out = context.createImageData(width, height);
  const line = (length, from, size, n) => Int32Array.from({length}, (_, i) => { const k = Math.floor(((i + 0.5) / length - from) / size * n); return k < 0 || k >= n ? -1 : k; });
  const xs = line(width, left, wide, mw), ys = line(height, top, tall, mh);
  const step = Math.max(1, Math.round(1.5 * ratio)), filled = $("style").value === "filled", which = Number($("label").value);
  labels.forEach((source, i) => {
    if (!$(["reference", "model"][i]).checked) return;
    const data = source.getImageData(column * mw, row * mh, mw, mh).data;
    const up = new Uint8Array(width * height);
    for (let y = 0; y < height; y++) if (ys[y] >= 0) for (let x = 0; x < width; x++) if (xs[x] >= 0) {
      up[y * width + x] = drawn(data[4 * (ys[y] * mw + xs[x])], which);
    }
    const colour = [1, 3, 5].map(n => parseInt(D.colours[i].slice(n, n + 2), 16));
    for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
      const n = y * width + x, k = up[n];
      if (!k) continue;
      const edge = x < step || y < step || x >= width - step || y >= height - step || up[n - step] !== k || up[n + step] !== k || up[n - step * width] !== k || up[n + step * width] !== k;
      if (!edge && !filled) continue;
      const alpha = edge ? 255 : 90;
      if (!edge && out.data[4 * n + 3] === 255) continue;
      const mixed = !edge && out.data[4 * n + 3] > 0;
      for (let c = 0; c < 3; c++) out.data[4 * n + c] = mixed ? (out.data[4 * n + c] + colour[c]) / 2 : colour[c];
      out.data[4 * n + 3] = mixed ? 140 : alpha;
    }
  });
  context.putImageData(out, 0, 0);
}

function light() { $("base").style.filter = `brightness(${$("brightness").value}%) contrast(${$("contrast").value}%)`; }
function go(step, around) {
  const n = chosen && chosen.picture ? chosen.picture.at.length : 0;
  if (n < 2) return;
  at = around ? (at + step + n) % n : Math.min(n - 1, Math.max(0, at + step));
  draw();
}
function stop() { clearInterval(timer); timer = 0; $("play").textContent = "Play"; }
function play() {
  if (timer) return stop();
  if (D.modality !== "video" || !chosen || !chosen.picture || chosen.picture.at.length < 2) return;
  timer = setInterval(() => go(1, true), Math.max(15, chosen.picture.time || 100));
  $("play").textContent = "Stop";
}
function move(step) {
  if (!shown.length) return;
  const index = shown.indexOf(chosen);
  choose(shown[index < 0 ? 0 : Math.min(shown.length - 1, Math.max(0, index + step))], true);
}

// ---- wiring
$("filters").onsubmit = event => event.preventDefault();
$("search").oninput = () => { limit = 500; list(); };
$("clear").onclick = () => { $("search").value = ""; filters.forEach(f => { f.select.value = ""; }); list(); };
$("more").onclick = () => { limit = Infinity; list(); };
$("at").oninput = () => { stop(); at = Number($("at").value); draw(); };
$("play").onclick = play;
$("brightness").oninput = $("contrast").oninput = light;
$("reset").onclick = () => { $("brightness").value = $("contrast").value = 100; light(); };
for (const id of ["reference", "model", "style", "label"]) $(id).onchange = draw;
$("stage").addEventListener("wheel", event => {
  if (!chosen || !chosen.picture || chosen.picture.at.length < 2) return;
  event.preventDefault();
  stop();
  turned += event.deltaY * (event.deltaMode ? 30 : 1);  // lines, else pixels; touch pads send many small steps
  if (Math.abs(turned) < 40) return;
  go((turned > 0 ? 1 : -1) * (D.modality === "volume" ? -1 : 1));  // down is towards the feet
  turned = 0;
}, {passive: false});
document.addEventListener("keydown", event => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("input, textarea, select")) return;
  const acts = {ArrowUp: () => move(-1), ArrowDown: () => move(1), ArrowLeft: () => { stop(); go(-1); }, ArrowRight: () => { stop(); go(1); }, " ": event.target.closest("button, summary, a") || D.modality !== "video" ? null : play};
  const act = acts[event.key];
  if (act) { event.preventDefault(); act(); }
});
const noted = () => {  // the list stays as it is, so that a click on it that ends the writing hits its row
  if (!chosen) return;
  keep(chosen.id, $("mark").value, $("note").value);
  save();
  tellNotes();
  const row = $("list").querySelector("tbody").rows[shown.indexOf(chosen)];
  if (row) row.lastElementChild.textContent = noteText(chosen);
};
$("mark").onchange = () => { noted(); buildFilters(); };
$("note").oninput = noted;
$("export").onclick = () => {
  const link = element("a", null, {href: URL.createObjectURL(new Blob([toCSV()], {type: "text/csv"})), download: `notes ${D.name}.csv`});
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
};
const reads = (id, use) => { $(id).onchange = async () => { const file = $(id).files[0]; if (file) { await use(await file.text(), file.name); $(id).value = ""; } }; };
reads("import", text => { const told = fromCSV(text); tellNotes(told); buildFilters(); list(); if (chosen) choose(chosen); });
reads("other", (text, name) => { $("compared").textContent = compare(text, name); buildFilters(); list(); if (chosen) choose(chosen); });
window.addEventListener("resize", draw);

document.querySelector("h1").textContent = `${D.name}: cases`;
$("banners").append(...D.banners.map(text => element("p", text, {className: "banner"})));
const pictures = D.cases.filter(c => c.picture).length;
$("summary").textContent = [`Data set ${D.dataset}`, D.errors, pictures < D.cases.length ? `${pictures} of ${D.cases.length} have a picture, the largest errors first` : "", D.units].filter(Boolean).join(". ") + ".";
$("astext").open = !stored;  // in MLflow's view nothing can be stored or downloaded
$("report").hidden = !/^(file|https?):/.test(document.URL);
$("mark").append(...MARKS.map(x => element("option", x)));
$("comparison").hidden = !D.judgements.length;
$("reference").nextElementSibling.style.color = D.colours[0];
$("model").nextElementSibling.style.color = D.colours[1];
$("label").append(element("option", "all classes", {value: 0}), ...D.classes.slice(1).map((name, i) => element("option", name, {value: i + 1})));
$("of").hidden = D.classes.length < 3;
buildFilters();
list();
tellNotes();
if (shown.length) choose(shown[0]);
