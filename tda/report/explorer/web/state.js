"use strict";
// One state for the whole page; whoever shows a part of it listens. The fragment follows, a moment later.
(() => {
  const start = () => ({
    dataset: lacuna.index.datasets[0]?.name ?? "", lanes: [], view: "", colour: "modality", members: "both", tool: "turn",
    lines: false, density: false, query: "", turn: [0, 0, 0, 1], zoom: 1, pan: [0, 0], selection: new Set(), pinned: -1, cluster: null,
    tab: "pair", sort: "size-", filter: "", step: 1e9, clusterOf: "",
  });
  const state = start();
  const listeners = [];
  let timer = 0;
  let own = "";

  const remember = () => {
    clearTimeout(timer);
    timer = setTimeout(flush, 250);
  };

  const flush = () => {
    clearTimeout(timer);
    own = `#${lacuna.fragment.write(state)}`;
    try { history.replaceState(null, "", own); } catch { location.replace(own); }
  };

  // Changes fields and calls every listener with the names of those that changed.
  const set = changes => {
    const changed = Object.keys(changes).filter(name => changes[name] !== state[name]);
    if (!changed.length) return;
    Object.assign(state, changes);
    const names = new Set(changed);
    for (const listener of listeners) listener(names);
    remember();
  };

  const pairsOf = name => lacuna.index.datasets.find(one => one.name === name)?.pairs ?? 0;

  const restore = () => {
    const named = lacuna.fragment.read(location.hash, 0).dataset ?? state.dataset;
    const found = lacuna.fragment.read(location.hash, pairsOf(named));
    if (!lacuna.index.datasets.some(one => one.name === found.dataset)) delete found.dataset;
    set(found);
  };

  addEventListener("hashchange", () => { if (location.hash !== own) restore(); });
  Object.assign(lacuna, { state, set, listen: listener => listeners.push(listener), restore, flush, start });
})();
