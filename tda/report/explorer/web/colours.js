"use strict";
// Colours of points: an index of each point into a palette of 256, and the key beside it.
(() => {
  const { el, fixed, count } = lacuna;
  const MODALITIES = { light: ["#0f76b8", "#d55e00"], dark: ["#4fb0ee", "#ff9345"] };
  // Twelve hues that differ by lightness too, in turn for further clusters.
  const CLUSTERS = ["#0f76b8", "#d55e00", "#00896a", "#b05aa0", "#a87400", "#5566cc", "#c23b55", "#3f9ea8", "#7d9b1c", "#8a5a3c", "#d48fb8", "#6b8fb5"];
  // A ramp from dark blue over green to yellow, of even steps in lightness (after Viridis).
  const RAMP = [[68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141], [39, 173, 129], [92, 200, 99], [170, 220, 50], [253, 231, 37]];
  const NONE = 255;
  const GREY = { light: "#8a9099", dark: "#828a95" };

  const dark = () => matchMedia("(prefers-color-scheme: dark)").matches;
  const theme = () => (dark() ? "dark" : "light");
  const parse = hex => [1, 3, 5].map(at => parseInt(hex.slice(at, at + 2), 16));
  const background = () => parse(dark() ? "#14171b" : "#ffffff");

  const ramp = share => {
    const end = dark() ? 1 : 0.9; // its last yellow does not show on white
    const at = Math.min(Math.max(share, 0), 1) * end * (RAMP.length - 1);
    const low = Math.min(Math.floor(at), RAMP.length - 2);
    return RAMP[low].map((value, i) => Math.round(value + (at - low) * (RAMP[low + 1][i] - value)));
  };

  const NAMES = {
    modality: "modality", cluster: "cluster", cosine: "cosine of the pair", rank: "rank of the partner", dimension: "local dimension of the cluster",
    closest: "closest row of the reference", kept: "matches kept from the first model", shard: "shard",
  };

  const kept = (model, first) => {
    const share = name => {
      const k = Math.min(model.matches, first.matches);
      const out = new Float32Array(model[name].length / model.matches);
      for (let pair = 0; pair < out.length; pair++) {
        let same = 0;
        const own = model[name].subarray(pair * model.matches, pair * model.matches + k);
        const other = first[name].subarray(pair * first.matches, pair * first.matches + k);
        for (const match of own) if (match >= 0 && other.includes(match)) same++;
        out[pair] = own[0] < 0 || other[0] < 0 ? NaN : same / k;
      }
      return out;
    };
    return [share("texts"), share("images")];
  };

  // For each colour that is a number: its value of member `side` of a pair; null where the model has none.
  const number = {
    cosine: model => model.cosine && ((side, pair) => model.cosine[pair]),
    rank: (model, pairs) => model.rank && ((side, pair) => { const rank = model.rank[side * pairs + pair]; return rank > 0 ? rank : NaN; }),
    dimension: (model, pairs) => model.label && model.list.some(one => Number.isFinite(one.auc))
      && ((side, pair) => model.clusters.get(model.label[side * pairs + pair])?.auc ?? NaN),
    closest: model => model.references.length && ((side, pair) => model.references[0].sides[side].cosine[pair]),
    kept: (model, pairs, first) => {
      if (!model.texts || !first.texts) return null;
      const shares = kept(model, first);
      return (side, pair) => shares[side][pair];
    },
  };

  const bounds = (read, pairs) => {
    const values = [];
    const stride = Math.max(1, Math.floor(pairs / 5000));
    for (let pair = 0; pair < pairs; pair += stride) for (const side of [0, 1]) if (Number.isFinite(read(side, pair))) values.push(read(side, pair));
    values.sort((a, b) => a - b);
    return values.length ? [values[Math.floor(0.01 * (values.length - 1))], values[Math.ceil(0.99 * (values.length - 1))]] : [0, 1];
  };

  // {index: of each of the 2P points, palette: 256 colours, key: entries} of one model.
  const coloured = (name, model, dataset, first) => {
    const pairs = dataset.pairs;
    const index = new Uint8Array(2 * pairs);
    const palette = Array.from({ length: 256 }, () => parse(GREY[theme()]));
    if (name === "modality") {
      index.fill(1, pairs);
      MODALITIES[theme()].forEach((hex, i) => { palette[i] = parse(hex); });
      return { index, palette, key: dataset.modalities.map((label, i) => ({ colour: palette[i], label, glyph: "\u25cf\u25b2"[i] })) };
    }
    if (name === "cluster" || name === "shard") {
      CLUSTERS.forEach((hex, i) => { palette[i] = parse(hex); });
      const of = name === "shard" ? i => dataset.shard[i % pairs] : i => (model.label ? model.label[i] : -1);
      for (let i = 0; i < index.length; i++) index[i] = of(i) < 0 ? NONE : of(i) % CLUSTERS.length;
      if (name === "shard") return { index, palette, key: dataset.shards.slice(1, 1 + CLUSTERS.length).map((label, i) => ({ colour: palette[(i + 1) % CLUSTERS.length], label })) };
      return { index, palette, key: [{ colour: palette[0], label: `${count(model.list.length)} clusters, in ${CLUSTERS.length} colours in turn` }, { colour: palette[NONE], label: "in no cluster" }] };
    }
    const read = number[name]?.(model, pairs, first);
    index.fill(NONE);
    if (!read) return { index, palette, key: [{ colour: palette[NONE], label: "not measured" }] };
    const scale = name === "rank" ? Math.log : value => value;
    const [low, high] = bounds(read, pairs);
    const span = scale(high) - scale(low) || 1;
    for (let i = 0; i < 255; i++) palette[i] = ramp(name === "rank" ? 1 - i / 254 : i / 254);
    for (let i = 0; i < index.length; i++) {
      const value = read(i < pairs ? 0 : 1, i % pairs);
      if (Number.isFinite(value)) index[i] = Math.round(254 * Math.min(Math.max((scale(value) - scale(low)) / span, 0), 1));
    }
    const digits = name === "rank" ? 0 : 2;
    const middle = name === "rank" ? Math.exp((Math.log(low) + Math.log(high)) / 2) : (low + high) / 2;
    const key = [[0, low], [127, middle], [254, high]].map(([i, value]) => ({ colour: palette[i], label: fixed(value, digits) }));
    return { index, palette, key: [...key, { colour: palette[NONE], label: "unknown" }] };
  };

  const available = (models, dataset) => Object.keys(NAMES).filter(name => {
    if (name === "modality") return true;
    if (name === "cluster") return models.some(model => model.label);
    if (name === "shard") return dataset.shards.length > 2;
    if (name === "kept") return models.length > 1 && models.every(model => model.texts);
    return models.some(model => number[name](model, dataset.pairs, models[0]));
  });

  // 16 shades of each colour, from the far side of the sphere to the near one, as pixels.
  const shades = (palette, dim) => {
    const ground = background();
    const table = new Uint32Array(256 * 16);
    for (let i = 0; i < 256; i++) {
      for (let s = 0; s < 16; s++) {
        const share = (0.22 + 0.78 * (s / 15) ** 1.4) * (dim ? 0.22 : 1);
        const [r, g, b] = palette[i].map((value, at) => Math.round(ground[at] + share * (value - ground[at])));
        table[i * 16 + s] = 0xff000000 | (b << 16) | (g << 8) | r;
      }
    }
    return table;
  };

  const css = ([r, g, b]) => `rgb(${r} ${g} ${b})`;
  const keyList = entries => entries.map(({ colour, label, glyph }) => {
    const mark = el("span", { "aria-hidden": "true", class: "swatch" }, glyph ?? "\u25cf");
    mark.style.color = css(colour);
    return el("li", {}, mark, " ", el("bdi", {}, label));
  });

  lacuna.colours = { NAMES, coloured, available, shades, background, css, keyList, modalities: () => MODALITIES[theme()].map(parse), kept, dark };
})();
