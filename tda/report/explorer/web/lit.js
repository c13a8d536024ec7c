"use strict";
// Which points are lit: the matches of the search, the chosen cluster, the selection.
(() => {
  const { state } = lacuna;

  // For each pair 1 where its caption holds every word of the query.
  const matches = dataset => {
    const words = state.query.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) return null;
    dataset.lowered ??= dataset.captions.map(caption => caption.toLowerCase());
    const key = words.join(" ");
    if (dataset.searched !== key) {
      dataset.searched = key;
      dataset.matched = Uint8Array.from(dataset.lowered, caption => (words.every(word => caption.includes(word)) ? 1 : 0));
    }
    return dataset.matched;
  };

  const clusterLane = shown => shown.lanes.find(lane => lane.id === state.clusterOf) ?? shown.lanes[0];

  // For each pair 1 where a member of it lies in the chosen cluster.
  const inCluster = shown => {
    const label = state.cluster === null ? null : clusterLane(shown)?.model.label;
    if (!label) return null;
    const pairs = shown.dataset.pairs;
    return Uint8Array.from({ length: pairs }, (_, pair) => (label[pair] === state.cluster || label[pairs + pair] === state.cluster ? 1 : 0));
  };

  // The pairs that are walked by keys and taken by a button: selection, else matches and cluster, else all.
  const current = shown => {
    const filters = [matches(shown.dataset), inCluster(shown)].filter(Boolean);
    if (filters.length) return Array.from({ length: shown.dataset.pairs }, (_, pair) => pair).filter(pair => filters.every(one => one[pair]));
    return state.selection.size ? [...state.selection].sort((a, b) => a - b) : null;
  };

  // 0 hidden, 1 dim, 2 plain, 3 lit, for each of the 2P points of a lane.
  const levels = (shown, lane) => {
    const pairs = shown.dataset.pairs, columns = lane.columns;
    const out = new Uint8Array(2 * pairs);
    const matched = matches(shown.dataset), clustered = inCluster(shown);
    const own = clustered && lane === clusterLane(shown) ? lane.model.label : null;
    const filtered = matched || clustered, chosen = state.selection;
    for (let i = 0; i < 2 * pairs; i++) {
      const side = i < pairs ? 0 : 1, pair = i - side * pairs;
      if (lane.place[i * columns] !== lane.place[i * columns]) continue;
      if ((state.members === "first" && side) || (state.members === "second" && !side)) continue;
      if (!filtered && !chosen.size) { out[i] = 2; continue; }
      const fits = filtered && (!matched || matched[pair]) && (!clustered || (own ? own[i] === state.cluster : clustered[pair]));
      out[i] = fits || chosen.has(pair) ? 3 : 1;
    }
    return out;
  };

  Object.assign(lacuna, { matches, current, levels, clusterLane });
})();
