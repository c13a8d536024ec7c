"use strict";
// The selected pairs as a list with pictures, and their downloads.
(() => {
  const { el, state, set, plural } = lacuna;
  const panel = lacuna.by("panel-selection");
  const PART = 60;
  let listed = PART;

  const render = app => {
    const chosen = [...state.selection].filter(pair => pair < app.dataset.pairs).sort((a, b) => a - b);
    if (!chosen.length) {
      listed = PART;
      panel.replaceChildren(el("p", { class: "note" }, "Nothing is selected. Choose the lasso or the box and draw around points (with Shift to add), select the matches of a search, a cluster, or what is in view; on the keyboard, s takes a pair in or out."));
      return;
    }
    const name = `${lacuna.downloads.stem(app)}.txt`;
    panel.replaceChildren(
      el("p", { class: "line" }, el("strong", { id: "selected" }, `${plural(chosen.length, "pair")} selected`), " ", el("button", { type: "button", click: () => set({ selection: new Set() }) }, "Clear")),
      el("p", { class: "line" }, "Save as ", ...Object.entries(lacuna.downloads.files).flatMap(([kind, save]) => [el("button", { type: "button", "data-save": kind, click: () => save(app) }, kind), " "])),
      el("p", { class: "note" }, "The selection as a data set, from the file of keys: ", el("code", {}, `python -m jobs.analyze dataset.name=${app.dataset.name} dataset.keep=@${name} encoder.name=${app.lanes[0]?.model.encoder ?? "NAME"} root=ROOT`)),
      el("ul", { class: "pairs" }, ...chosen.slice(0, listed).map(pair => el("li", {}, lacuna.pairPanel.link(app, pair)))),
      ...(chosen.length > listed ? [el("button", { type: "button", click: () => { listed += 4 * PART; render(app); } }, `Show more of the other ${lacuna.count(chosen.length - listed)}`)] : []),
    );
  };

  lacuna.selectionPanel = { render };
})();
