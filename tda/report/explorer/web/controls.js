"use strict";
// The form beside the points: it shows the state and changes it.
(() => {
  const { by, el, state, set, count, plural } = lacuna;
  const MOST = 4; // models at once
  const VIEWS = { sphere: "sphere", map: "map", plane: "plane", pca: "PCA plane" };

  const options = (select, entries, value) => {
    select.replaceChildren(...entries.map(([key, label]) => el("option", { value: key, selected: key === value }, label)));
    select.value = value;
  };

  const boxes = app => lacuna.lanes(app.number).map(lane => {
    const box = el("input", { type: "checkbox", value: lane.id, checked: state.lanes.includes(lane.id) });
    box.addEventListener("change", () => {
      const wanted = box.checked ? [...state.lanes, lane.id] : state.lanes.filter(id => id !== lane.id);
      if (wanted.length && wanted.length <= MOST) set({ lanes: wanted }); else box.checked = !box.checked;
    });
    const frames = lane.frames.length > 1 ? el("small", {}, ` ${count(lane.frames.length)} checkpoints`) : null;
    return el("label", {}, box, " ", el("bdi", {}, lacuna.laneName(lane)), frames);
  });

  const views = app => Object.entries(VIEWS).filter(([name]) => lacuna.lanes(app.number).some(lane => lane.frames.some(frame => frame.has.includes(name === "map" ? "sphere" : name))));

  const renderModels = app => {
    by("models").replaceChildren(el("legend", {}, "Models, up to four"), ...boxes(app));
  };

  const render = app => {
    options(by("dataset"), lacuna.index.datasets.map(one => [one.name, one.shown]), state.dataset);
    options(by("view"), views(app), state.view);
    options(by("colour"), lacuna.colours.available(app.lanes.map(lane => lane.model), app.dataset).map(name => [name, lacuna.colours.NAMES[name]]), state.colour);
    const [first, second] = app.dataset.modalities;
    options(by("members"), [["both", "both"], ["first", first], ["second", second]], state.members);
    by("tool").value = state.tool;
    by("lines").checked = state.lines;
    by("density").checked = state.density;
    by("searching").hidden = !app.entry.captions;
    if (by("search").value !== state.query) by("search").value = state.query;
    const boxes_ = by("models").querySelectorAll("input");
    for (const box of boxes_) {
      box.checked = state.lanes.includes(box.value);
      box.disabled = !box.checked && state.lanes.length >= MOST;
    }
    renderFound(app);
    const keyed = app.panes.find(pane => pane.key);
    by("key").replaceChildren(...(keyed ? lacuna.colours.keyList(keyed.key) : []));
    const shown = app.dataset.pairs < app.dataset.all ? `${count(app.dataset.pairs)} of ${count(app.dataset.all)} pairs` : plural(app.dataset.pairs, "pair");
    by("about").replaceChildren(el("bdi", {}, app.dataset.shown), `, ${shown}`);
  };

  const renderFound = app => {
    const matched = lacuna.matches(app.dataset);
    const found = matched ? matched.reduce((sum, one) => sum + one, 0) : 0;
    by("found").value = matched ? `${count(found)} of ${count(app.dataset.pairs)} captions` : "";
    by("take").disabled = !found;
  };

  const start = app => {
    by("controls").addEventListener("submit", event => event.preventDefault());
    const on = (id, name, read = element => element.value) => by(id).addEventListener("change", () => set({ [name]: read(by(id)) }));
    on("dataset", "dataset");
    on("view", "view");
    on("colour", "colour");
    on("members", "members");
    on("tool", "tool");
    on("lines", "lines", box => box.checked);
    on("density", "density", box => box.checked);
    by("search").addEventListener("input", () => set({ query: by("search").value }));
    by("take").addEventListener("click", () => {
      const matched = lacuna.matches(app.dataset);
      app.select(new Set(Array.from(matched.keys()).filter(pair => matched[pair])), false);
    });
    by("seen").addEventListener("click", () => app.select(app.panes.find(pane => pane.current)?.enclosed(null) ?? new Set(), false));
    by("reset").addEventListener("click", () => app.reset());
    by("spin").addEventListener("change", () => app.spin(by("spin").checked));
    startTabs(app);
  };

  // Tabs as WAI-ARIA describes them: arrow keys move, one is in the order of Tab.
  const startTabs = () => {
    const tabs = [...by("tabs").children];
    by("tabs").addEventListener("click", event => { const tab = event.target.closest("[role=tab]"); if (tab) set({ tab: tab.id.slice(4) }); });
    by("tabs").addEventListener("keydown", event => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = tabs[(tabs.findIndex(tab => tab.id === `tab-${state.tab}`) + step + tabs.length) % tabs.length];
      set({ tab: next.id.slice(4) });
      next.focus();
    });
  };

  const renderTabs = () => {
    for (const tab of by("tabs").children) {
      const own = tab.id === `tab-${state.tab}`;
      tab.setAttribute("aria-selected", String(own));
      tab.tabIndex = own ? 0 : -1;
      by(tab.getAttribute("aria-controls")).hidden = !own;
    }
    by("tab-selection").textContent = state.selection.size ? `Selection (${count(state.selection.size)})` : "Selection";
  };

  lacuna.controls = { start, render, renderModels, renderTabs, views, VIEWS };
})();
