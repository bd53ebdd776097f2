(() => {
  "use strict";
  const PAGE = 100;
  const search = document.getElementById("search");
  const answer = document.getElementById("answer");
  const chips = [...document.querySelectorAll(".chips button")];
  const texts = (root, query) => [...root.querySelectorAll(query)].map((found) => found.textContent);
  const lower = (values) => values.map((value) => value.toLowerCase());
  const plural = (number, noun) => `${number.toLocaleString("en-US")} ${noun}${number === 1 ? "" : "s"}`;

  // --- What there is to filter, read from the page once.

  const teamOf = (row) => {
    const names = [...row.querySelectorAll("th > .names li, th > .rest li")];
    return {
      row, names, lowered: lower(names.map((name) => name.textContent)), rest: row.querySelector("th > .rest"),
      sorts: new Set(row.dataset.sorts.split(" ")),
      lost: lower(texts(row, ".lost li")), gained: lower(texts(row, ".gained li")),
      keeps: lower(texts(row, ".keeps li")), plan: row.querySelector(".plan").textContent.toLowerCase(),
    };
  };
  const modelOf = (row) => {
    const side = (query) => {
      const cell = row.querySelector(query);
      return { count: Number(cell.dataset.count), teams: lower(texts(cell, "li")) };
    };
    const label = row.querySelector("th code").textContent;
    return { row, label, name: label.toLowerCase(), lost: side("td.lost"), gained: side("td.gained") };
  };
  const accessOf = (row) => ({
    row, names: lower(texts(row, "th li")), cells: [...row.cells].slice(1).map((cell) => cell.textContent.trim()),
  });
  const rows = (query, make) => [...document.querySelectorAll(`${query} tbody > tr`)].map(make);
  const teams = rows("#teams", teamOf);
  const models = rows("#models", modelOf);
  const access = rows("#matrix", accessOf);
  const columns = lower(texts(document, "#matrix thead .model"));
  const known = new Set([...models.map((model) => model.name), ...columns]);

  // --- The question: terms as `word`, `lost:word`, `gained:word`, `team:word`, `plan:word`, words with blanks in quotes.

  const TERM = /(?:(lost|gained|team|plan):)?(?:"([^"]*)"|(\S+))/gi;
  const parsed = (text) => [...text.toLowerCase().matchAll(TERM)]
    .map(([, field, quoted, word]) => ({ field, text: quoted ?? word })).filter((term) => term.text);
  const has = (names, text) => names.some((name) => name.includes(text));
  // After lost: and gained:, a model's whole name means that model and none whose name only holds it.
  const isModel = (names, term) => (known.has(term.text) ? names.includes(term.text) : has(names, term.text));
  const sorted = (sorts) => ({ loses: sorts.has("loses"), gains: sorts.has("gains") });

  const modelsOf = (team, sorts) => {
    const { loses, gains } = sorted(sorts);
    if (loses || gains) return [...(loses ? team.lost : []), ...(gains ? team.gained : [])];
    return [...team.lost, ...team.gained, ...team.keeps];
  };
  const wholeRow = (team, term, sorts) => {
    if (term.field === "lost") return isModel(team.lost, term);
    if (term.field === "gained") return isModel(team.gained, term);
    if (term.field === "plan") return team.plan.includes(term.text);
    if (term.field === "team") return false;
    return has(modelsOf(team, sorts), term.text) || team.plan.includes(term.text);
  };
  const named = (term) => !term.field || term.field === "team";

  // --- Each table's answer.

  const filterTeam = (team, terms, sorts) => {
    const narrow = terms.filter((term) => !wholeRow(team, term, sorts));
    const fits = [...sorts].every((sort) => team.sorts.has(sort)) && narrow.every(named);
    const chosen = fits ? team.lowered.map((name) => narrow.every((term) => name.includes(term.text))) : [];
    const count = chosen.filter(Boolean).length;
    narrowed(team, count && narrow.length ? chosen : null);
    return count;
  };
  const narrowed = (team, chosen) => {
    if (!chosen && !team.narrowed) return;
    team.names.forEach((name, place) => { name.hidden = Boolean(chosen) && !chosen[place]; });
    if (team.rest) team.rest.open = Boolean(chosen) && team.names.some((name, place) => chosen[place] && team.rest.contains(name));
    team.narrowed = Boolean(chosen);
  };
  const filterModel = (model, terms, sorts) => {
    const { loses, gains } = sorted(sorts);
    if ((loses && !model.lost.count) || (gains && !model.gained.count)) return false;
    return terms.every((term) => {
      const inTeams = has([...model.lost.teams, ...model.gained.teams], term.text);
      if (term.field === "lost" || term.field === "gained") return model[term.field].count > 0 && isModel([model.name], term);
      return term.field === "team" ? inTeams : term.field === "plan" || model.name.includes(term.text) || inTeams;
    });
  };
  const columnsFor = (term) => columns.map((name) => (
    term.field === "lost" || term.field === "gained" ? isModel([name], term) : !term.field && name.includes(term.text)));
  const MARKS = { lost: ["−"], gained: ["+"] };
  const filterAccess = (entry, asked, wanted) => asked.every(({ term, matching, any }) => {
    const marks = MARKS[term.field] ?? wanted;
    const reaches = any && entry.cells.some((cell, place) => matching[place] && (marks ? marks.includes(cell) : cell));
    return term.field === "plan" || reaches || (named(term) && has(entry.names, term.text));
  }) && (!wanted || entry.cells.some((cell) => wanted.includes(cell)));

  const sheet = document.styleSheets[0];
  const fixed = sheet.cssRules.length;
  const showColumns = (asked) => {
    while (sheet.cssRules.length > fixed) sheet.deleteRule(fixed);
    const about = asked.filter(({ any }) => any);
    if (!about.length) return;
    const out = columns.map((_, place) => place).filter((place) => !about.some(({ matching }) => matching[place]));
    if (out.length) sheet.insertRule(`${out.map((place) => `#matrix tr > :nth-child(${place + 2})`).join()} { display: none; }`, fixed);
  };

  // --- Long tables show a page of what fits, and a button for more.

  const pager = (table) => {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "more", hidden: true });
    const state = { all: [...table.tBodies[0].rows], fitting: [], shown: PAGE };
    table.closest(".scroll").after(button);
    const draw = () => {
      const visible = new Set(state.fitting.slice(0, state.shown));
      for (const row of state.all) if (row.hidden === visible.has(row)) row.hidden = !visible.has(row);
      const left = state.fitting.length - visible.size;
      button.hidden = !left;
      button.textContent = `Show ${Math.min(PAGE, left)} of ${left.toLocaleString("en-US")} more rows`;
    };
    button.addEventListener("click", () => { state.shown += PAGE; draw(); });
    return (fitting) => { Object.assign(state, { fitting, shown: PAGE }); draw(); };
  };
  const pagers = new Map([...document.querySelectorAll("main table")].map((table) => [table, pager(table)]));
  const draw = (query, fitting) => {
    const table = document.querySelector(`${query} table, table${query}`);
    if (table) pagers.get(table)(fitting.map((entry) => entry.row));
  };

  // --- Ask.

  const said = (terms, found, models_) => {
    const exact = models_.filter((model) => terms.some((term) => term.text === model.name && term.field !== "team"));
    const about = exact.map((model) => `${model.label}: lost by ${plural(model.lost.count, "team")}, gained by ${plural(model.gained.count, "team")}`);
    return [...about, found ? `${plural(found, "team")} below` : "no team below"].join(" · ");
  };
  const ask = () => {
    const terms = search ? parsed(search.value) : [];
    const sorts = new Set(chips.filter((chip) => chip.ariaPressed === "true").map((chip) => chip.dataset.sort));
    const asked = terms.map((term) => { const matching = columnsFor(term); return { term, matching, any: matching.includes(true) }; });
    const { loses, gains } = sorted(sorts);
    const wanted = loses || gains ? [...(loses ? ["−"] : []), ...(gains ? ["+"] : [])] : null;
    let found = 0;
    draw("#teams", teams.filter((team) => { const count = filterTeam(team, terms, sorts); found += count; return count; }));
    const hits = models.filter((model) => filterModel(model, terms, sorts));
    for (const model of models) model.row.classList.toggle("exact", terms.some((term) => term.text === model.name));
    hits.sort((one, other) => other.row.classList.contains("exact") - one.row.classList.contains("exact"));
    draw("#models", hits);
    draw("#matrix", access.filter((entry) => filterAccess(entry, asked, wanted)));
    showColumns(asked);
    if (answer) answer.textContent = terms.length || sorts.size ? said(terms, found, models) : "";
  };

  const askFor = (text) => { if (search) { search.value = text; ask(); } };
  const quoted = (text) => (/[\s"]/.test(text) ? `"${text.replaceAll('"', "")}"` : text);
  search?.addEventListener("input", ask);
  for (const chip of chips) {
    chip.addEventListener("click", () => { chip.ariaPressed = String(chip.ariaPressed !== "true"); ask(); });
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a.show");
    if (link) askFor(`${link.dataset.field}:${quoted(link.dataset.name)}`);
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target instanceof HTMLInputElement;
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) { event.preventDefault(); search?.focus(); }
    if (event.key === "Escape" && typing) askFor("");
  });
  window.addEventListener("beforeprint", () => {
    for (const fold of document.querySelectorAll("details.fold, details.keeps")) fold.open = true;
  });

  for (const [table, page] of pagers) page([...table.tBodies[0].rows]);
  const linked = new URLSearchParams(location.hash.slice(1)).get("q");
  if (linked) askFor(linked); else ask();
  document.documentElement.classList.add("ready");
})();
