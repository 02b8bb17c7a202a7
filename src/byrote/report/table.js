"use strict";
(() => {
  const get = (id) => document.getElementById(id);
  // a link to a section opens it
  const unfold = () => {
    const place = get(location.hash.slice(1)), fold = place && place.parentElement.querySelector(":scope > .fold");
    if (fold) fold.open = true;
  };
  window.addEventListener("hashchange", unfold);
  unfold();
  const source = get("examples-data");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  const count = data.id.length;
  const form = get("examples-tools"), head = get("examples-head"), body = get("examples-body");
  const PAGE = [25, 50, 100, 250];
  const selected = new Set();
  const folded = data.id.map((id) => id.toLowerCase());
  const collator = new Intl.Collator(undefined, { numeric: true });
  let shown = [], page = 0, size = PAGE[0], sorting = { column: "n0", down: true };

  const make = (tag, text, attributes) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    for (const [name, value] of Object.entries(attributes || {})) element.setAttribute(name, value);
    return element;
  };
  const bdi = (text) => make("bdi", text);
  const number = (value, places) =>
    value === null ? "–" : (Math.abs(value) >= 1000 ? value.toFixed(0) : value.toFixed(places)).replace(/^-(0\.?0*)$/, "$1").replace("-", "−");
  const plural = (n, one) => `${n.toLocaleString("en")} ${one}${n === 1 ? "" : "s"}`;
  const className = (index) => (index < 0 ? "–" : data.classes[index]);
  const amount = (value) => {
    if (value === null || value === undefined) return "–";
    const short = Number(value.toPrecision(7)), size = Math.abs(short);
    const text = size === 0 || (size >= 1e-6 && size < 1e12) ? short.toLocaleString("en", { maximumSignificantDigits: 15 }) : value.toExponential(3);
    return text.replaceAll("-", "−");
  };
  const noun = data.noun || "example";
  const places = (column) => (data.places ? data.places[column] : 2);
  const ofNumbers = Boolean(data.given);
  const given = (i) => (ofNumbers ? amount(data.given[i]) : className(data.label[i]));
  const answers = Boolean(data.said || data.answer);
  const unanswered = (i) => (ofNumbers ? data.answer[i] === null : data.said[i] < 0);
  const otherwise = (i) =>
    !unanswered(i) && (ofNumbers ? Math.abs(data.answer[i] - (data.errors ? 0 : data.given[i])) > data.tolerance : data.said[i] !== data.label[i]);
  const said = (i) => (ofNumbers ? amount(data.answer[i]) : data.said[i] < 0 ? "–" : `${className(data.said[i])} (${Math.round(100 * data.share[i])} %)`);
  const about = (i) => {
    const words = [];
    if (data.planted && data.planted[i] >= 0) words.push(`planted ${data.kinds[data.planted[i]]}`);
    if (data.verdict && data.verdict[i] >= 0) words.push(`looks ${data.verdicts[data.verdict[i]]}`);
    return words.join("; ") || "–";
  };

  const numeric = (name) => {
    const text = form.elements[name].value.trim().replace("−", "-").replace(",", ".");
    return text === "" || Number.isNaN(Number(text)) ? null : Number(text);
  };
  const filtered = () => {
    const label = form.elements.label.value, kind = form.elements.kind ? form.elements.kind.value : "";
    const least = numeric("least"), most = numeric("most"), lead = data.numbers[0];
    const text = form.elements.search.value.trim().toLowerCase();
    const marked = form.elements.marked.checked;
    const found = [];
    for (let i = 0; i < count; i += 1) {
      if (label !== "" && data.label[i] !== Number(label)) continue;
      if (kind === "none" && data.planted && data.planted[i] >= 0) continue;
      if (kind === "planted" && !(data.planted && data.planted[i] >= 0)) continue;
      if (kind.startsWith("p") && kind !== "planted" && data.planted[i] !== Number(kind.slice(1))) continue;
      if (kind.startsWith("v") && data.verdict[i] !== Number(kind.slice(1))) continue;
      if (kind === "said" && !otherwise(i)) continue;
      if (least !== null && (lead[i] === null || lead[i] < least)) continue;
      if (most !== null && (lead[i] === null || lead[i] > most)) continue;
      if (text !== "" && !folded[i].includes(text)) continue;
      if (marked && !selected.has(i)) continue;
      found.push(i);
    }
    return found;
  };
  const ordered = (rows) => {
    const { column, down } = sorting;
    const sign = down ? -1 : 1;
    const values = column[0] === "n" ? data.numbers[Number(column.slice(1))] : ofNumbers ? { label: data.given, said: data.answer }[column] : undefined;
    if (values) {
      return rows.sort((a, b) => {
        if (values[a] === null || values[b] === null) return (values[a] === null) - (values[b] === null) || a - b;
        return sign * (values[a] - values[b]) || a - b;
      });
    }
    const word = { id: (i) => data.id[i], label: given, said: (i) => said(i), about: (i) => about(i) }[column];
    const words = new Map(rows.map((i) => [i, word(i)]));
    return rows.sort((a, b) => sign * collator.compare(words.get(a), words.get(b)) || a - b);
  };

  const row = (i) => {
    const line = make("tr");
    const box = make("input", undefined, { type: "checkbox", "aria-label": `select ${data.id[i]}` });
    box.checked = selected.has(i);
    box.addEventListener("change", () => {
      if (box.checked) selected.add(i);
      else selected.delete(i);
      line.classList.toggle("selected", box.checked);
      tell();
    });
    line.classList.toggle("selected", box.checked);
    const first = make("td");
    first.append(box);
    const id = make("th", undefined, { scope: "row" });
    id.append(bdi(data.id[i]));
    const kind = ofNumbers ? "number" : "word";
    const label = make("td", undefined, { class: kind });
    label.append(bdi(given(i)));
    line.append(first, id, label);
    data.numbers.forEach((values, column) => {
      const error = column === 0 && data.stderr[i] !== null && values[i] !== null ? ` ± ${number(data.stderr[i], 2)}` : "";
      line.append(make("td", number(values[i], places(column)) + error, { class: "number" }));
    });
    if (answers) {
      const cell = make("td", undefined, { class: kind });
      if (otherwise(i)) cell.classList.add("other-label");
      cell.append(bdi(said(i)));
      line.append(cell);
    }
    if (head.querySelector("[data-column=about]")) line.append(make("td", about(i), { class: "word" }));
    return line;
  };
  const tell = () => {
    const pages = Math.max(1, Math.ceil(shown.length / size));
    get("examples-status").textContent = `${plural(shown.length, noun)} of ${count.toLocaleString("en")}; ${selected.size.toLocaleString("en")} selected`;
    get("examples-page").textContent = `Page ${page + 1} of ${pages.toLocaleString("en")}`;
    get("examples-previous").disabled = page === 0;
    get("examples-next").disabled = page >= pages - 1;
    for (const button of form.querySelectorAll("[data-export]")) button.disabled = selected.size === 0;
    const unselected = shown.some((i) => !selected.has(i));
    const all = get("examples-all");
    all.textContent = `Select ${shown.length === count ? "all" : "these"} ${shown.length.toLocaleString("en")}`;
    all.disabled = !unselected;
    get("examples-none").disabled = selected.size === 0;
  };
  const draw = () => {
    const pages = Math.max(1, Math.ceil(shown.length / size));
    page = Math.min(page, pages - 1);
    body.replaceChildren(...shown.slice(page * size, (page + 1) * size).map(row));
    if (!shown.length) {
      const line = make("tr");
      line.append(make("td", `No ${noun} fits these filters.`, { colspan: String(head.children.length), class: "word" }));
      body.replaceChildren(line);
    }
    tell();
  };
  const refresh = () => {
    shown = ordered(filtered());
    page = 0;
    draw();
  };

  // what begins as a formula does is no formula any more; the page's ids hold no control characters
  const formula = /^[ "'\u00a0\u3000]*[=+\-@\t\r\n|\uff1d\uff0b\uff0d\uff20\u2212]/;
  const cell = (value) => {
    if (value === null || value === undefined) return "";
    if (typeof value === "number") return String(value);
    const text = formula.test(value) ? `'${value}` : value;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const csv = (action) => {
    const lines = [["example", "row", "action", ofNumbers ? "number" : data.label_is || "label", "models_without_it_say", ...data.columns, "stderr", "planted", "looks"]];
    for (const i of [...selected].sort((a, b) => a - b)) {
      lines.push([
        data.id[i], data.row[i], action, ofNumbers ? data.given[i] : className(data.label[i]),
        !answers || unanswered(i) ? "" : ofNumbers ? data.answer[i] : className(data.said[i]),
        ...data.numbers.map((values) => values[i]), data.stderr[i],
        data.planted && data.planted[i] >= 0 ? data.kinds[data.planted[i]] : "",
        data.verdict && data.verdict[i] >= 0 ? data.verdicts[data.verdict[i]] : "",
      ]);
    }
    return lines.map((line) => line.map(cell).join(",")).join("\r\n") + "\r\n";
  };
  const save = (action) => {
    const url = URL.createObjectURL(new Blob([csv(action)], { type: "text/csv;charset=utf-8" }));
    const link = make("a", undefined, { href: url, download: `byrote-${action}.csv` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
    get("examples-status").textContent = `${plural(selected.size, noun)} to ${action} written to byrote-${action}.csv`;
  };

  for (const header of head.querySelectorAll("th[data-column]")) {
    const button = make("button", header.textContent, { type: "button", class: "sort" });
    header.replaceChildren(button);
    button.addEventListener("click", () => {
      const column = header.dataset.column;
      sorting = { column, down: sorting.column === column ? !sorting.down : column !== "id" && !header.classList.contains("word") };
      for (const other of head.querySelectorAll("th[data-column]")) other.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", sorting.down ? "descending" : "ascending");
      refresh();
    });
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(refresh));
  let waiting = 0;
  form.addEventListener("input", (event) => {
    if (event.target.name === "size") return;
    clearTimeout(waiting);
    waiting = setTimeout(refresh, event.target.type === "search" ? 120 : 0);
  });
  form.elements.size.addEventListener("change", () => {
    size = Number(form.elements.size.value);
    page = 0;
    draw();
  });
  const turn = (by) => () => {
    page += by;
    draw();
  };
  get("examples-previous").addEventListener("click", turn(-1));
  get("examples-next").addEventListener("click", turn(1));
  get("examples-all").addEventListener("click", () => {
    for (const i of shown) selected.add(i);
    draw();
  });
  get("examples-none").addEventListener("click", () => {
    selected.clear();
    refresh();
  });
  for (const button of form.querySelectorAll("[data-export]")) button.addEventListener("click", () => save(button.dataset.export));
  head.querySelector(".pick").hidden = false;
  form.hidden = false;
  get("examples-pager").hidden = false;
  for (const note of document.querySelectorAll(".without-script")) note.hidden = true;
  refresh();
})();
