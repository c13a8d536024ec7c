"use strict";
// Puts the parts together: loads what is asked for, and draws what has changed.
(() => {
  const { by, el, state, set, index } = lacuna;
  const PANELS = { pair: "pairPanel", selection: "selectionPanel", clusters: "clustersPanel", failures: "failuresPanel", models: "modelsPanel" };
  const app = { number: -1, dataset: null, entry: null, lanes: [], panes: [], hovered: { pair: -1, point: -1 }, ready: false };
  let asked = 0;
  let waiting = 0;
  let spinning = 0;

  app.viewName = () => lacuna.controls.VIEWS[state.view] ?? "layout";

  const fail = error => by("panes").replaceChildren(el("p", { class: "warn", role: "alert" }, `${error.message}. The report is not whole: run jobs.report again, and keep explore.html beside its folder explore.`));

  // The lanes that are named and there; else the two that the page names first.
  const named = lanes => {
    const found = state.lanes.map(id => lanes.find(lane => lane.id === id)).filter(Boolean).slice(0, 4);
    if (found.length) return found;
    const main = ["CLIP", "CLOOB"].map(role => lanes.find(lane => lane.role === role)).filter(Boolean);
    return main.length === 2 ? main : lanes.slice(0, 2);
  };

  const open = async () => {
    const turn = ++asked;
    const number = Math.max(index.datasets.findIndex(one => one.name === state.dataset), 0);
    const lanes = named(lacuna.lanes(number));
    const [dataset, ...models] = await Promise.all([lacuna.dataset(number), ...lanes.map(lane => Promise.all(lane.frames.map(lacuna.model)))]);
    if (turn !== asked) return;
    const other = app.number !== number;
    Object.assign(app, { number, dataset, entry: index.datasets[number], hovered: { pair: -1, point: -1 } });
    app.lanes = lanes.map((lane, i) => ({ ...lane, loaded: models[i], model: models[i][models[i].length - 1], at: 0 }));
    const views = lacuna.controls.views(app).map(([name]) => name);
    const colours = lacuna.colours.available(app.lanes.map(lane => lane.model), dataset);
    app.ready = false;
    set({
      dataset: app.entry.name, lanes: app.lanes.map(lane => lane.id), view: views.includes(state.view) ? state.view : views[0] ?? "",
      colour: colours.includes(state.colour) ? state.colour : "modality",
    });
    app.ready = true;
    app.panes = app.lanes.map(lane => new lacuna.Pane(app, lane));
    by("panes").replaceChildren(...(views.length ? app.panes.map(pane => pane.figure) : [...absent(), ...app.panes.map(pane => pane.figure)]));
    by("panes").dataset.count = app.panes.length;
    if (other) lacuna.controls.renderModels(app);
    update();
    document.body.dataset.ready = app.panes.length;
  };

  const absent = () => [el("p", { class: "warn" }, "No layout of this data set was made. ", el("code", {}, `python -m jobs.analyze dataset.name=${app.dataset.name} encoder.name=${app.lanes[0].model.encoder} root=ROOT`))];

  const update = () => {
    for (const lane of app.lanes) lacuna.training.settle(app, lane);
    for (const pane of app.panes) pane.update();
    lacuna.controls.render(app);
    lacuna.controls.renderTabs();
    lacuna.training.render(app);
    panel();
    app.redraw();
  };

  const panel = () => {
    const box = by(`panel-${state.tab}`), held = box.contains(document.activeElement) ? document.activeElement : null;
    const places = () => [...box.querySelectorAll("button, select, summary, input, [tabindex]")];
    const at = held ? places().indexOf(held) : -1, name = held && nameOf(held);
    lacuna[PANELS[state.tab]].render(app);
    if (!held || held.isConnected) return;
    const now = places();
    (now.find(one => nameOf(one) === name) ?? now[Math.min(at, now.length - 1)] ?? box).focus({ preventScroll: true }); // what was rendered anew is where keys were
  };

  const nameOf = element => `${element.tagName} ${element.dataset.sort ?? element.dataset.cluster ?? element.textContent}`;

  app.redraw = pane => {
    for (const one of pane ? [pane] : app.panes) one.stale = true;
    if (!waiting) waiting = requestAnimationFrame(frame);
  };

  const frame = () => {
    waiting = 0;
    for (const pane of app.panes) if (pane.stale) pane.draw();
    app.frames = (app.frames ?? 0) + 1;
  };

  // A point under the pointer, or reached by keys: its pair lights in every model, its card shows beside it.
  app.hover = (point, pane, at, spoken = false) => {
    const pair = point < 0 ? -1 : point % app.dataset.pairs;
    const same = pair === app.hovered.pair && point === app.hovered.point;
    app.hovered = { pair, point };
    for (const one of app.panes) if (!same || one === pane) one.showCard(one === pane ? point : -1, at);
    if (same) return;
    if (spoken && pair >= 0) by("spoken").textContent = `Pair ${pair + 1}: ${lacuna.caption(app.dataset, pair)}`;
    app.redraw();
  };

  app.walk = (step, pane) => {
    const among = lacuna.current(app), { pairs } = app.dataset;
    const list = among ?? { length: pairs, indexOf: pair => pair };
    if (!list.length) return;
    const from = app.hovered.pair >= 0 ? app.hovered.pair : state.pinned;
    const at = from < 0 ? (step > 0 ? 0 : list.length - 1) : (list.indexOf(from) + step + list.length) % list.length;
    const pair = among ? among[Math.max(at, 0)] : at;
    const point = pair + (state.members === "second" ? pairs : 0);
    if (pane.lane.place) app.hover(point, pane, pane.whereIs(point), true);
  };

  app.select = (pairs, add) => set({ selection: add ? new Set([...state.selection, ...pairs]) : pairs, tab: "selection" });

  app.toggle = pair => {
    const selection = new Set(state.selection);
    if (!selection.delete(pair)) selection.add(pair);
    set({ selection });
  };

  app.reset = () => set({ turn: lacuna.start().turn, zoom: 1, pan: [0, 0] });

  app.spin = on => {
    cancelAnimationFrame(spinning);
    if (!on) return;
    const next = () => {
      set({ turn: lacuna.turning.turned(state.turn, lacuna.calm() ? 0.3 : 0.01, 0) });
      spinning = lacuna.calm() ? 0 : requestAnimationFrame(next);
    };
    next();
  };

  lacuna.listen(names => {
    if (!app.ready) return;
    if (names.has("dataset") || names.has("lanes")) {
      if (names.has("dataset")) Object.assign(state, { lanes: names.has("lanes") ? state.lanes : [], ...(names.has("selection") ? {} : { selection: new Set() }), ...(names.has("pinned") ? {} : { pinned: -1 }), ...(names.has("cluster") ? {} : { cluster: null }) });
      open().catch(fail);
      return;
    }
    const moved = [...names].every(name => ["turn", "zoom", "pan"].includes(name));
    if (moved) { for (const pane of app.panes) pane.showCard(-1); app.redraw(); return; }
    if ([...names].every(name => ["pinned", "tab", "tool", "sort", "filter"].includes(name))) {
      lacuna.controls.renderTabs();
      lacuna.controls.render(app);
      panel();
      app.redraw();
      return;
    }
    update();
  });

  if (!index?.datasets.length) { fail(new Error("explore/index.js holds no data set")); return; }
  lacuna.app = app;
  lacuna.restore();
  lacuna.controls.start(app);
  lacuna.training.start(app);
  addEventListener("resize", () => app.panes.length && app.redraw());
  for (const query of ["(prefers-color-scheme: dark)", "(prefers-reduced-motion: reduce)"]) matchMedia(query).addEventListener("change", () => app.ready && update());
  open().catch(fail);
})();
