"use strict";
// Texts come from tables of anyone's: they are set by textContent alone.
const D = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);
const element = (tag, text, more) => Object.assign(document.createElement(tag), text == null ? {} : {textContent: text}, more);
const byId = new Map(D.cases.map(c => [c.id, c]));
const one = D.judgements.length === 1 ? D.judgements[0] : null;
const isNumber = one && one.rule === "near";
D.cases.forEach((c, rank) => { c.rank = rank + 1; });

// ---- notes: in this browser where it allows that, else in memory
const KEY = "scantune cases " + D.key;
const MARKS = ["agree", "label doubtful", "exclude"];
let notes = {};
let stored = true;
try { notes = JSON.parse(localStorage.getItem(KEY)) || {}; } catch { stored = false; }
notes = Object.assign(Object.create(null), notes);
const noteOf = c => notes[c.id] || {mark: "", note: ""};
const noteText = c => [noteOf(c).mark, noteOf(c).note].filter(Boolean).join(": ");

function keep(id, mark, note) {
  if (mark || note) notes[id] = {mark, note}; else delete notes[id];
}
function save() {
  try { localStorage.setItem(KEY, JSON.stringify(notes)); } catch { stored = false; }
}

function tellNotes(before = "") {
  const n = D.cases.filter(c => notes[c.id]).length;
  $("noted").textContent = before + `${n} with a note` + (stored ? "." : "; they are lost when the page is closed: export or copy them before.");
  $("text").value = toCSV();
}

// ---- CSV
function parseCSV(text) {
  text = text.replace(/^\uFEFF/, "");
  const head = text.split(/\r?\n/, 1)[0];
  const separator = head.split(";").length > head.split(",").length ? ";" : ",";
  const rows = [];
  let row = [], cell = "", quoted = false;
  for (let i = 0; i < text.length; i++) {
    const letter = text[i];
    if (quoted) {
      if (letter !== '"') cell += letter;
      else if (text[i + 1] === '"') { cell += '"'; i++; }
      else quoted = false;
    } else if (letter === '"') quoted = true;
    else if (letter === separator) { row.push(cell); cell = ""; }
    else if (letter === "\n") { row.push(cell); rows.push(row); row = []; cell = ""; }
    else if (letter !== "\r") cell += letter;
  }
  if (cell || row.length) { row.push(cell); rows.push(row); }
  const names = (rows.shift() || []).map(unguarded);
  return rows.filter(r => r.length > 1 || r[0]).map(r => new Map(names.map((name, i) => [name, unguarded(r[i] || "")])));
}
const FORMULA = /^'*[=+\-@\t\r]/;  // as scantune.tables: what a spreadsheet would run is made text
const guarded = text => FORMULA.test(text) && (text.trim() === "" || isNaN(Number(text))) ? "'" + text : text;
const unguarded = text => text[0] === "'" && FORMULA.test(text) ? text.slice(1) : text;
const quote = text => /[",\n\r]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;

function toCSV() {
  const rows = D.cases.filter(c => notes[c.id]).map(c => [c.id, noteOf(c).mark, noteOf(c).note]);
  return [["sample_id", "mark", "note"], ...rows].map(r => r.map(cell => quote(guarded(cell))).join(",")).join("\n") + "\n";
}

function fromCSV(text) {
  const rows = parseCSV(text);
  if (rows.length && !rows[0].has("sample_id")) return "The file has no column sample_id: nothing was imported. ";
  let read = 0, unknown = 0;
  for (const row of rows) {
    if (!byId.has(row.get("sample_id"))) { unknown++; continue; }
    const mark = (row.get("mark") || "").trim(), note = row.get("note") || "";
    keep(row.get("sample_id"), ...(!mark || MARKS.includes(mark) ? [mark, note] : ["", `${mark}: ${note}`]));
    read++;
  }
  save();
  return `${read} imported` + (unknown ? `, ${unknown} of other samples left out. ` : ". ");
}

// ---- the answers of two models
function judged(rule, answer, truth) {  // true: wrong; null: unknown
  if (answer === "") return null;
  if (rule.rule === "least") return Number(answer) < rule.limit;
  if (truth === "") return null;
  if (rule.rule === "near") return rule.limit == null ? null : Math.abs(answer - truth) > rule.limit + 1e-9;
  return answer !== truth;
}
const wrongIn = (c, answers) => {
  const each = D.judgements.map((rule, i) => judged(rule, answers[i], c.truth[i])).filter(x => x !== null);
  return each.length ? each.some(Boolean) : null;
};
const differ = (rule, a, b) => {
  if (a === "" || b === "") return false;
  if (rule.rule === "near") return Math.abs(a - b) > (rule.limit || 0) + 1e-6 * Math.abs(a) + 1e-9;
  return rule.rule === "least" ? (a < rule.limit) !== (b < rule.limit) : a !== b;
};

function answerIn(rule, row) {  // answer and words for it; null where columns are missing
  const columns = Object.keys(rule.columns);
  if (rule.rule === "class") {
    const p = columns.map(name => row.get(name));
    const known = p.filter(x => x !== undefined);
    if (columns.length === 2 && known.length === 1) p[p.indexOf(undefined)] = known[0] === "" ? "" : String(1 - known[0]);
    else if (!known.length || (known.length < columns.length && rule.name === "")) return null;
    let best = -1;
    p.forEach((x, i) => { if (x !== undefined && x !== "" && (best < 0 || Number(x) > Number(p[best]))) best = i; });
    return best < 0 ? ["", "–"] : [rule.columns[columns[best]], `${rule.columns[columns[best]]} (${Number(p[best]).toFixed(2)})`];
  }
  const value = row.get(columns[0]);
  if (rule.called && row.has("set")) {
    const called = row.get("set").split("|").map(x => x.trim()).includes(rule.called);
    return [called ? "1" : "0", called ? "present" : "absent"];
  }
  if (value === undefined) return null;
  if (value.trim() === "" || isNaN(Number(value))) return ["", "–"];
  const words = String(Number(Number(value).toPrecision(4)));
  if (rule.rule !== "call") return [value, rule.rule === "least" ? `${columns[0]} ${words}` : words];
  return [Number(value) >= rule.limit ? "1" : "0", words];
}

const sameReference = (rule, row, truth) => {  // of a class, a number or a finding
  const there = row.get(rule.name ? "target/" + rule.name : "target");
  if (there === undefined || there === truth || (there === "" && rule.rule === "class")) return true;
  return there !== "" && truth !== "" && Math.abs(there - truth) <= 1e-6 * Math.abs(truth);
};

let other = null;  // name of the other file, once one is read
function compare(text, name) {
  const rows = parseCSV(text).filter(r => byId.has(r.get("sample_id")));
  const bySample = new Map();
  for (const row of rows) if (!row.get("split") || row.get("split") === "test" || !bySample.has(row.get("sample_id"))) bySample.set(row.get("sample_id"), row);
  const first = rows[0];
  const missing = first ? D.judgements.filter(rule => answerIn(rule, first) === null).flatMap(rule => Object.keys(rule.columns).filter(x => !first.has(x))) : [];
  D.cases.forEach(c => { c.other = null; });
  other = null;
  if (!first) return `${name} has none of these samples (column sample_id).`;
  if (missing.length) return `${name} is of another task: it lacks the columns ${missing.slice(0, 6).join(", ")}.`;
  other = name;
  for (const [id, row] of bySample) {
    const c = byId.get(id), answers = D.judgements.map(rule => answerIn(rule, row));
    const theirs = answers.map(a => a[0]);
    const count = theirs.filter((a, i) => judged(D.judgements[i], a, c.truth[i])).length;
    const words = one ? answers[0][1] : `${count} of ${theirs.length} wrong`;
    c.other = {
      words, answers: theirs, wrong: wrongIn(c, theirs), own: wrongIn(c, c.answers),
      differs: D.judgements.some((rule, i) => differ(rule, c.answers[i], theirs[i])),
    };
  }
  const odd = [...bySample].filter(([id, row]) => !D.judgements.every((rule, i) => sameReference(rule, row, byId.get(id).truth[i]))).length;
  return `${name}: ${bySample.size} of ${D.cases.length} cases` + (odd ? `, ${odd} with another reference than here, by which they are judged` : "") + ". " +
    Object.entries(PAIRED).map(([key, of]) => `${key}: ${D.cases.filter(of).length}`).join("; ") + ".";
}
const PAIRED = {
  "disagree": c => c.other && c.other.differs,
  "only this one wrong": c => c.other && c.other.own === true && c.other.wrong === false,
  "only the other wrong": c => c.other && c.other.own === false && c.other.wrong === true,
  "both wrong": c => c.other && c.other.own === true && c.other.wrong === true,
};

