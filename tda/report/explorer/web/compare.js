"use strict";
// All models of the data set in one table, how much of what they retrieve they share, and what is not in this view.
(() => {
  const { el, fixed, percent, count } = lacuna;
  const panel = lacuna.by("panel-models");

  const mean = values => {
    let sum = 0, n = 0;
    for (const value of values) if (Number.isFinite(value)) { sum += value; n++; }
    return n ? sum / n : NaN;
  };

  const shared = app => {
    const lanes = app.lanes.filter(lane => lane.model.texts);
    if (lanes.length < 2) return null;
    const rows = lanes.slice(1).map(lane => {
      const [there, back] = lacuna.colours.kept(lane.model, lanes[0].model).map(mean);
      return el("tr", {}, el("th", { scope: "row" }, el("bdi", {}, lane.id)), el("td", { class: "number" }, percent(there)), el("td", { class: "number" }, percent(back)));
    });
    const [first, second] = app.dataset.modalities;
    return [el("h3", {}, "How what is retrieved changes"), el("p", { class: "note" }, `Share of the ${lanes[0].model.matches} closest rows that are the same as in `, el("bdi", {}, lanes[0].id), ", mean over the shown pairs. Colour by it: matches kept."),
      el("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": "Shared matches" }, el("table", {},
        el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Model"), el("th", { scope: "col", class: "number" }, `${first} to ${second}`), el("th", { scope: "col", class: "number" }, `${second} to ${first}`))), el("tbody", {}, ...rows)))];
  };

  const notes = app => {
    const { dataset } = app, found = [];
    if (dataset.pairs < dataset.all) found.push(`Shown are ${count(dataset.pairs)} of ${count(dataset.all)} pairs, evenly spaced${app.lanes.some(lane => lane.model.density) ? "; the density is of all" : ""}.`);
    if (!dataset.captions.some(Boolean)) found.push("No captions are at hand: search and words of clusters are left out.");
    if (!dataset.sprites.sheets.length) found.push("No pictures are at hand.");
    else if (dataset.pictured < dataset.pairs) found.push(`Pictures are shown of ${count(dataset.pictured)} pairs; report.pictures sets how many.`);
    found.push(...dataset.gone, ...(dataset.gone_more ? [`Pictures of ${count(dataset.gone_more)} more shards are missing.`] : []), ...lacuna.index.notes);
    return found.length ? el("ul", { class: "note" }, ...found.map(line => el("li", {}, el("bdi", {}, line)))) : null;
  };

  const render = app => {
    const rows = lacuna.lanes(app.number).map(lane => {
      const last = lane.frames[lane.frames.length - 1];
      return el("tr", {}, el("th", { scope: "row" }, el("bdi", {}, lacuna.laneName(lane)), lane.frames.length > 1 ? `, ${count(lane.frames.length)} checkpoints` : ""),
        el("td", { class: "number" }, count(last.all)), el("td", { class: "number" }, fixed(last.gap ?? NaN, 3)), el("td", { class: "number" }, percent(last.top1 ?? NaN)), el("td", { class: "number" }, count(last.clusters)));
    });
    panel.replaceChildren(...[
      el("h3", {}, el("bdi", {}, app.dataset.name)),
      el("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": "Models" }, el("table", {},
        el("thead", {}, el("tr", {}, ...["Model", "Pairs", "Gap", "Top-1", "Clusters"].map((name, i) => el("th", { scope: "col", class: i ? "number" : "" }, name)))), el("tbody", {}, ...rows))),
      ...(shared(app) ?? []), notes(app),
    ].filter(Boolean));
  };

  lacuna.modelsPanel = { render };
})();
