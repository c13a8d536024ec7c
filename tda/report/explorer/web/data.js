"use strict";
// Data sets and models, loaded when they are shown. A lane is one model, or all checkpoints of one training run.
(() => {
  const { load, unpack, value } = lacuna;
  const index = value("index");
  const datasets = new Map();
  const models = new Map();

  const unpackAll = group => Object.fromEntries(Object.entries(group).map(([name, packed]) => [name, unpack(packed)]));

  const dataset = async number => {
    if (!datasets.has(number)) {
      const entry = index.datasets[number];
      const raw = await load(entry.file);
      datasets.set(number, {
        ...entry,
        shards: raw.shards, keys: raw.keys, captions: raw.captions,
        shard: unpack(raw.shard), ordinal: unpack(raw.ordinal), picture: unpack(raw.picture),
        lowered: null,
      });
    }
    return datasets.get(number);
  };

  const references = raw => raw.map(one => ({
    name: one.name,
    sides: ["image", "text"].map(side => ({ ...one[side], cosine: unpack(one[side].cosine), index: unpack(one[side].index) })),
  }));

  const model = async entry => {
    if (!models.has(entry.file)) {
      const raw = await load(entry.file);
      const clusters = new Map(raw.clusters.map(cluster => [cluster.id, cluster]));
      models.set(entry.file, {
        ...entry,
        place: unpackAll(raw.place), ...unpackAll(raw.number), ...unpackAll(raw.index),
        matches: raw.matches, list: raw.clusters, clusters, worst: raw.worst,
        references: references(raw.references),
        density: raw.density && { ...raw.density, counts: unpack(raw.density.counts) },
      });
    }
    return models.get(entry.file);
  };

  // Lanes of a data set in the order of the index; frames of a training run by step.
  const lanes = number => {
    const found = new Map();
    for (const entry of index.models.filter(one => one.dataset === number)) {
      const id = entry.track || entry.encoder;
      if (!found.has(id)) found.set(id, { id, role: entry.role, shown: entry.shown, frames: [] });
      found.get(id).frames.push(entry);
    }
    for (const lane of found.values()) lane.frames.sort((a, b) => (a.step ?? 0) - (b.step ?? 0));
    return [...found.values()];
  };

  const laneName = lane => lane.shown || (lane.role && lane.role !== lane.id ? `${lane.id} (${lane.role})` : lane.id);

  Object.assign(lacuna, { index, dataset, model, lanes, laneName });
})();
