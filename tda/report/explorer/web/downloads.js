"use strict";
// The selection as files: a table, a document, and rows that dataset.keep takes.
(() => {
  const { el } = lacuna;

  const save = (name, type, text) => {
    const link = el("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  };

  const rows = app => [...lacuna.state.selection].sort((a, b) => a - b).map(pair => {
    const { dataset } = app, pairs = dataset.pairs;
    const row = { shard: dataset.shards[dataset.shard[pair]], ordinal: dataset.ordinal[pair], key: dataset.keys[pair], caption: dataset.captions[pair] };
    for (const lane of app.lanes) {
      const { model } = lane;
      if (model.cosine) row[`cosine ${model.encoder}`] = Number.isFinite(model.cosine[pair]) ? model.cosine[pair] : null;
      if (model.rank) {
        dataset.modalities.forEach((name, side) => { row[`rank from ${name} ${model.encoder}`] = model.rank[side * pairs + pair] > 0 ? model.rank[side * pairs + pair] : null; });
      }
      if (model.label) dataset.modalities.forEach((name, side) => { row[`cluster of ${name} ${model.encoder}`] = model.label[side * pairs + pair]; });
    }
    return row;
  });

  // Spreadsheets run cells that begin so: a quote before them keeps them text.
  const cell = value => {
    if (value === null || value === undefined) return "";
    if (typeof value === "number") return String(value);
    const safe = /^[=+\-@\t\r\n]/.test(value) ? `'${value}` : value;
    return /[",\r\n]/.test(safe) || safe !== value ? `"${safe.replaceAll('"', '""')}"` : safe;
  };

  const csv = table => {
    const names = table.length ? Object.keys(table[0]) : ["shard", "ordinal", "key", "caption"];
    return [names, ...table.map(row => names.map(name => row[name]))].map(line => `${line.map(cell).join(",")}\r\n`).join("");
  };

  // A shard and an ordinal a line, which name a row without doubt, as keys may repeat; keys where no shard is known.
  const keep = table => table.map(row => (row.shard ? `${row.shard}\t${row.ordinal}\n` : row.key ? `${row.key}\n` : "")).join("");

  const stem = app => `${app.dataset.name}-selection`;
  const files = {
    CSV: app => save(`${stem(app)}.csv`, "text/csv", csv(rows(app))),
    JSON: app => save(`${stem(app)}.json`, "application/json", `${JSON.stringify({ dataset: app.dataset.name, models: app.lanes.map(lane => lane.model.encoder), pairs: rows(app) }, null, 1)}\n`),
    Keys: app => save(`${stem(app)}.txt`, "text/plain", keep(rows(app))),
  };

  lacuna.downloads = { files, csv, keep, stem };
})();
