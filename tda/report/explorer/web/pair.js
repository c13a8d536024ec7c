"use strict";
// The panel of a pinned pair: picture, caption, its numbers in each model, and how what it retrieves changes between them.
(() => {
  const { el, state, set, fixed, count } = lacuna;
  const panel = lacuna.by("panel-pair");

  const link = (app, pair, extra) => el("button", { type: "button", class: "pairlink", click: () => set({ pinned: pair }) },
    lacuna.picture(app.dataset, pair, 40, { label: false }), el("span", {}, el("bdi", {}, lacuna.caption(app.dataset, pair)), extra ? el("small", {}, extra) : null));

  const numbers = (app, pair) => {
    const rows = new Map();
    app.lanes.forEach((lane, column) => {
      for (const side of [0, 1]) {
        for (const [name, value] of lacuna.facts(lane.model, app.dataset, side, pair)) {
          const own = name === "Cluster" || name.startsWith("Closest") ? `${name}, ${app.dataset.modalities[side]}` : name;
          if (!rows.has(own)) rows.set(own, app.lanes.map(() => "\u2013"));
          rows.get(own)[column] = value;
        }
      }
    });
    if (!rows.size) return null;
    return el("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": "The pair in each model" }, el("table", {},
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "The pair"), ...app.lanes.map(lane => el("th", { scope: "col" }, el("bdi", {}, lane.id))))),
      el("tbody", {}, ...[...rows].map(([name, values]) => el("tr", {}, el("th", { scope: "row" }, el("bdi", {}, name)), ...values.map(value => el("td", {}, el("bdi", {}, value))))))));
  };

  const retrieved = (app, pair, name) => app.lanes.map(lane => (lane.model[name]
    ? Array.from(lane.model[name].subarray(pair * lane.model.matches, (pair + 1) * lane.model.matches)).filter(match => match >= 0) : null));

  // For each model the closest rows of the other modality, with those that the first model has too.
  const changes = (app, pair) => [["texts", 0], ["images", 1]].map(([name, side]) => {
    const lists = retrieved(app, pair, name);
    if (!lists.some(Boolean)) return null;
    const [from, to] = side ? [app.dataset.modalities[1], app.dataset.modalities[0]] : app.dataset.modalities;
    const parts = app.lanes.map((lane, at) => {
      if (!lists[at]) return null;
      const same = at && lists[0] ? lists[at].filter(match => lists[0].includes(match)).length : 0;
      const head = el("h4", {}, el("bdi", {}, lane.id), at && lists[0] ? el("small", {}, ` ${same} of ${lists[at].length} as in ${app.lanes[0].id}`) : null);
      const items = lists[at].map(match => el("li", { class: match === pair ? "hit" : at && lists[0] && !lists[0].includes(match) ? "new" : "" },
        link(app, match, match === pair ? "its partner" : at && lists[0] && !lists[0].includes(match) ? "new here" : "")));
      return el("div", { class: "retrieved" }, head, el("ol", {}, ...items));
    });
    const whole = app.dataset.pairs < app.dataset.all ? `, among the ${count(app.dataset.pairs)} pairs shown` : "";
    return el("details", { open: side === 0 }, el("summary", {}, `Closest ${to} to this ${from}${whole}`), el("div", { class: "columns" }, ...parts.filter(Boolean)));
  });

  const identity = (app, pair) => {
    const { dataset } = app, shard = dataset.shards[dataset.shard[pair]];
    return el("p", { class: "note" }, dataset.keys[pair] ? "key " : "", dataset.keys[pair] ? el("bdi", {}, lacuna.visible(dataset.keys[pair])) : "",
      shard ? `${dataset.keys[pair] ? ", " : ""}shard ${shard}, pair ${count(dataset.ordinal[pair])}` : `row ${count(dataset.ordinal[pair])}`);
  };

  const render = app => {
    const pair = state.pinned;
    if (pair < 0 || pair >= app.dataset.pairs) {
      panel.replaceChildren(el("p", { class: "note" }, "Click a point, or press Enter on one: its picture, its caption and its numbers in each model stay here, and its great circle is drawn."));
      return;
    }
    panel.replaceChildren(...[
      lacuna.picture(app.dataset, pair, Math.min(160, Math.max(96, app.dataset.sprites.side))),
      el("h3", {}, el("bdi", {}, lacuna.caption(app.dataset, pair))),
      identity(app, pair),
      el("p", { class: "line" },
        el("button", { type: "button", click: () => app.toggle(pair) }, state.selection.has(pair) ? "Take out of the selection" : "Add to the selection"), " ",
        el("button", { type: "button", click: () => set({ pinned: -1 }) }, "Unpin")),
      numbers(app, pair),
      ...changes(app, pair),
    ].filter(Boolean));
  };

  // Hidden characters of a key are shown by their code, as the report does with captions.
  lacuna.visible = text => text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g, one => `\u27e8U+${one.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}\u27e9`);
  lacuna.pairPanel = { render, link };
})();
