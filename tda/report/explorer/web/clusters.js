"use strict";
// The clusters of one model: words, size, local dimension, top-1, share of the first modality, pictures; sorted, filtered, lit by a click.
(() => {
  const { el, state, set, fixed, percent, count } = lacuna;
  const panel = lacuna.by("panel-clusters");
  const filter = el("input", { type: "search", autocomplete: "off", spellcheck: "false" });
  const head = el("div");
  const body = el("div");
  const rest = el("div", {}, el("label", { class: "field" }, "Filter by words ", filter), body);
  const PART = 40;
  let listed = PART;

  const share = cluster => cluster.images / Math.max(cluster.images + cluster.texts, 1);
  const COLUMNS = {
    words: ["Words", cluster => cluster.words.join(" "), cluster => cluster.words.join(", ") || `cluster ${cluster.id}`],
    size: ["Size", cluster => cluster.size, cluster => count(cluster.size)],
    auc: ["Local dimension", cluster => cluster.auc, cluster => fixed(cluster.auc)],
    top1: ["Top-1", cluster => cluster.top1, cluster => percent(cluster.top1)],
    share: ["Share", share, cluster => percent(share(cluster))],
  };

  const sorted = list => {
    const [name, down] = [state.sort.replace(/-$/, ""), state.sort.endsWith("-")];
    const read = (COLUMNS[name] ?? COLUMNS.size)[1];
    const order = (a, b) => {
      const [x, y] = [read(a), read(b)];
      if (typeof x === "string") return x < y ? -1 : x > y ? 1 : 0;
      return (Number.isFinite(x) ? x : -Infinity) - (Number.isFinite(y) ? y : -Infinity);
    };
    return [...list].sort((a, b) => (down ? order(b, a) : order(a, b)) || a.id - b.id);
  };

  const heading = (app, name) => {
    const [label] = COLUMNS[name];
    const own = state.sort.replace(/-$/, "") === name, down = state.sort.endsWith("-");
    const shown = name === "share" ? `${app.dataset.modalities[0]} share` : label;
    return el("th", { scope: "col", "aria-sort": own ? (down ? "descending" : "ascending") : "none", class: name === "words" ? "" : "number" },
      el("button", { type: "button", "data-sort": name, click: () => set({ sort: own ? (down ? name : `${name}-`) : name === "words" ? name : `${name}-` }) }, shown, own ? (down ? " \u2193" : " \u2191") : ""));
  };

  const row = (app, lane, cluster) => {
    const lit = state.cluster === cluster.id && lacuna.clusterLane(app) === lane;
    const choose = () => set({ cluster: lit ? null : cluster.id, clusterOf: lane.id });
    return el("tr", { class: lit ? "lit" : "" },
      el("th", { scope: "row" }, el("button", { type: "button", class: "words", "data-cluster": cluster.id, "aria-pressed": String(lit), click: choose }, el("bdi", {}, COLUMNS.words[2](cluster))),
        app.dataset.sprites.sheets.length ? el("span", { class: "strip" }, ...cluster.samples.slice(0, 6).map(pair => lacuna.picture(app.dataset, pair, 32))) : null),
      ...["size", "auc", "top1", "share"].map(name => el("td", { class: "number" }, COLUMNS[name][2](cluster))));
  };

  const take = (app, lane) => {
    const pairs = app.dataset.pairs, found = new Set();
    for (let i = 0; i < 2 * pairs; i++) if (lane.model.label[i] === state.cluster) found.add(i % pairs);
    app.select(found, false);
  };

  const chooser = (app, lane, label) => app.lanes.length < 2 ? null : el("label", { class: "field" }, `${label} `, (() => {
    const made = el("select", {}, ...app.lanes.map(one => el("option", { value: one.id, selected: one === lane }, one.id)));
    made.addEventListener("change", () => set({ clusterOf: made.value, cluster: null }));
    return made;
  })());

  const render = app => {
    const lane = lacuna.clusterLane(app);
    if (!lane?.model.list.length) {
      panel.replaceChildren(...[lane ? chooser(app, lane, "Clusters of") : null, el("p", { class: "note" }, "No clusters of this model. ", el("code", {}, `python -m jobs.analyze dataset.name=${app.dataset.name} encoder.name=${lane?.model.encoder ?? "NAME"} root=ROOT`))].filter(Boolean));
      return;
    }
    const words = state.filter.toLowerCase().split(/\s+/).filter(Boolean);
    const found = sorted(lane.model.list.filter(cluster => words.every(word => cluster.words.join(" ").toLowerCase().includes(word))));
    if (filter.value !== state.filter) filter.value = state.filter;
    body.replaceChildren(...[
      el("p", { class: "line" }, el("output", { id: "clusters-found" }, `${count(found.length)} of ${count(lane.model.list.length)} clusters`), " ",
        state.cluster === null ? null : el("button", { type: "button", click: () => take(app, lane) }, "Select the lit cluster"), " ",
        state.cluster === null ? null : el("button", { type: "button", click: () => set({ cluster: null }) }, "Put out")),
      el("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": "Clusters" }, el("table", { class: "clusters" },
        el("thead", {}, el("tr", {}, ...Object.keys(COLUMNS).map(name => heading(app, name)))),
        el("tbody", {}, ...found.slice(0, listed).map(cluster => row(app, lane, cluster))))),
      found.length > listed ? el("button", { type: "button", click: () => { listed += 4 * PART; render(app); } }, `Show more of the other ${count(found.length - listed)}`) : null,
    ].filter(Boolean));
    head.replaceChildren(...[chooser(app, lane, "Clusters of")].filter(Boolean));
    if (rest.parentNode !== panel) panel.replaceChildren(head, rest); // the filter keeps its focus
  };

  filter.addEventListener("input", () => { listed = PART; set({ filter: filter.value }); });
  lacuna.clustersPanel = { render, chooser };
})();
