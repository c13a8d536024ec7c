"use strict";
// The pairs that a model retrieves worst, with what it finds in their place.
(() => {
  const { el, state, set, count } = lacuna;
  const panel = lacuna.by("panel-failures");
  const PART = 30;
  let listed = PART;

  const instead = (app, model, pair, name, word) => {
    const match = model[name] ? model[name][pair * model.matches] : -1;
    return match < 0 || match === pair ? null : el("p", { class: "instead" }, `${word}: `, lacuna.pairPanel.link(app, match));
  };

  const item = (app, model, pair) => {
    const [first, second] = app.dataset.modalities, pairs = app.dataset.pairs;
    return el("li", { "data-pair": pair, class: pair === state.pinned ? "lit" : "" },
      lacuna.pairPanel.link(app, pair, `rank ${first} to ${second} ${count(model.rank[pair])}, ${second} to ${first} ${count(model.rank[pairs + pair])}`),
      instead(app, model, pair, "texts", `Closest ${second}`), instead(app, model, pair, "images", `Closest ${first}`));
  };

  const render = app => {
    const lane = lacuna.clusterLane(app);
    const chooser = lane ? lacuna.clustersPanel.chooser(app, lane, "Failures of") : null;
    if (!lane?.model.worst.length) {
      const why = lane?.model.rank ? "Every shown pair is found first, both ways." : "No ranks of this model. ";
      panel.replaceChildren(...[chooser, el("p", { class: "note" }, why, lane?.model.rank ? null : el("code", {}, `python -m jobs.analyze dataset.name=${app.dataset.name} encoder.name=${lane?.model.encoder ?? "NAME"} root=ROOT`))].filter(Boolean));
      return;
    }
    const worst = lane.model.worst;
    panel.replaceChildren(...[
      chooser,
      el("p", { class: "note" }, `The ${count(worst.length)} shown pairs whose two ranks together are worst, worst first. A rank of 1 is a hit.`),
      el("p", { class: "line" }, el("button", { type: "button", click: () => app.select(new Set(worst), false) }, "Select them"), " ",
        el("button", { type: "button", click: () => set({ colour: "rank" }) }, "Colour by rank")),
      el("ol", { class: "pairs failures" }, ...worst.slice(0, listed).map(pair => item(app, lane.model, pair))),
      worst.length > listed ? el("button", { type: "button", click: () => { listed += 4 * PART; render(app); } }, `Show more of the other ${count(worst.length - listed)}`) : null,
    ].filter(Boolean));
  };

  lacuna.failuresPanel = { render };
})();
