"use strict";
// What is known of a pair in one model, in words: for the card beside the pointer, and for the panel of a pinned pair.
(() => {
  const { el, count, fixed } = lacuna;

  const clusterWords = (model, id) => {
    if (id === undefined || id === -2) return "not clustered";
    if (id < 0) return "in no cluster";
    const words = model.clusters.get(id)?.words ?? [];
    return words.length ? `cluster ${id}: ${words.join(", ")}` : `cluster ${id}`;
  };

  const caption = (dataset, pair) => dataset.captions[pair] || "no caption";

  // The closest row of each reference to member `side` of a pair.
  const closest = (model, side, pair) => model.references.flatMap(reference => {
    const known = reference.sides[side];
    const at = known.index[pair];
    if (at < 0) return [];
    const [shard, ordinal] = known.rows[at];
    return [{ reference: reference.name, cosine: known.cosine[pair], shard, ordinal, caption: known.captions[at] ?? "" }];
  });

  // [name, value] for a list: of a pair in a model, seen from member `side`.
  const facts = (model, dataset, side, pair) => {
    const pairs = dataset.pairs, [first, second] = dataset.modalities;
    const found = [];
    if (model.label) found.push(["Cluster", clusterWords(model, model.label[side * pairs + pair])]);
    if (model.cosine && Number.isFinite(model.cosine[pair])) found.push(["Cosine of the pair", fixed(model.cosine[pair], 3)]);
    if (model.rank && model.rank[pair] > 0) {
      found.push([`Rank ${first} to ${second}`, count(model.rank[pair])], [`Rank ${second} to ${first}`, count(model.rank[pairs + pair])]);
    }
    for (const one of closest(model, side, pair)) {
      found.push([`Closest in ${one.reference}`, `${fixed(one.cosine, 3)}: ${one.caption || `${one.shard}, pair ${one.ordinal}`}`]);
    }
    return found;
  };

  const list = entries => el("dl", {}, ...entries.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, el("bdi", {}, value)))));

  const card = (lane, dataset, point) => {
    const side = point < dataset.pairs ? 0 : 1, pair = point - side * dataset.pairs;
    return [
      lacuna.picture(dataset, pair, 96),
      el("p", { class: "which" }, `${dataset.modalities[side]} of pair ${pair + 1}`),
      el("p", { class: "caption" }, el("bdi", {}, caption(dataset, pair))),
      list(facts(lane.model, dataset, side, pair)),
    ].filter(Boolean);
  };

  Object.assign(lacuna, { card, facts, factList: list, caption, clusterWords, closest });
})();
