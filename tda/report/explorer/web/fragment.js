"use strict";
// The whole state in the part of the address after #, so that a view can be sent.
(() => {
  // Pairs as runs of neighbours, in base 36: "a-f.k" is 10 to 15, and 20.
  const packPairs = pairs => {
    const sorted = [...pairs].sort((a, b) => a - b);
    const runs = [];
    for (const pair of sorted) {
      const last = runs[runs.length - 1];
      if (last && last[1] === pair - 1) last[1] = pair; else runs.push([pair, pair]);
    }
    return runs.map(([from, to]) => (from === to ? from.toString(36) : `${from.toString(36)}-${to.toString(36)}`)).join(".");
  };

  const unpackPairs = (text, most) => {
    const pairs = new Set();
    for (const run of text ? text.split(".") : []) {
      const [from, to] = run.split("-").map(part => parseInt(part, 36));
      for (let pair = from; pair <= Math.min(to ?? from, most - 1); pair++) pairs.add(pair);
    }
    return pairs;
  };

  const numbers = text => text.split(",").map(Number);
  const finite = (list, length) => list.length === length && list.every(Number.isFinite);

  // What a field may be; others are checked by who shows them.
  const ALLOWED = {
    tool: /^(turn|lasso|box)$/, members: /^(both|first|second)$/, tab: /^(pair|selection|clusters|failures|models)$/, sort: /^(words|size|auc|top1|share)-?$/,
  };

  const LONG = Object.assign(Object.create(null), { dataset: "d", models: "m" }); // as people and tda.report.show write them

  const write = state => {
    const fields = {
      d: state.dataset, m: state.lanes.map(encodeURIComponent).join(","), v: state.view, c: state.colour, w: state.members, u: state.tool,
      l: Number(state.lines), g: Number(state.density), q: state.query, r: state.turn.map(x => x.toFixed(4)).join(","),
      z: state.zoom.toFixed(3), o: state.pan.map(x => x.toFixed(4)).join(","), x: packPairs(state.selection), p: state.pinned,
      k: state.cluster === null ? "" : state.cluster, n: state.clusterOf, a: state.tab, s: state.sort, f: state.filter, t: state.step,
    };
    return Object.entries(fields).map(([key, value]) => `${key}=${key === "m" ? value : encodeURIComponent(value)}`).join("&");
  };

  // What a fragment says, with nothing that cannot be: unknown fields and broken numbers are left out.
  const read = (text, most) => {
    const found = {};
    const get = new Map(text.replace(/^#/, "").split("&").map(part => {
      const at = part.indexOf("=");
      return [LONG[part.slice(0, at)] ?? part.slice(0, at), part.slice(at + 1)];
    }));
    const plain = name => { try { return decodeURIComponent(get.get(name)); } catch { return undefined; } };
    const text_ = { d: "dataset", v: "view", c: "colour", w: "members", u: "tool", q: "query", a: "tab", s: "sort", f: "filter", n: "clusterOf" };
    for (const [key, name] of Object.entries(text_)) if (get.has(key) && plain(key) !== undefined) found[name] = plain(key);
    for (const [name, allowed] of Object.entries(ALLOWED)) if (name in found && !allowed.test(found[name])) delete found[name];
    if (get.has("m")) found.lanes = get.get("m").split(",").filter(Boolean).map(part => { try { return decodeURIComponent(part); } catch { return ""; } });
    for (const [key, name] of Object.entries({ l: "lines", g: "density" })) if (get.has(key)) found[name] = get.get(key) === "1";
    const turn = numbers(plain("r") ?? "");
    if (finite(turn, 4) && Math.hypot(...turn) > 0.5) found.turn = turn.map(x => x / Math.hypot(...turn));
    const pan = numbers(plain("o") ?? "");
    if (finite(pan, 2)) found.pan = pan;
    const zoom = Number(plain("z"));
    if (zoom > 0.05 && zoom < 1000) found.zoom = zoom;
    if (get.has("x")) found.selection = unpackPairs(plain("x") ?? "", most);
    const pinned = Number(plain("p"));
    if (get.has("p") && Number.isInteger(pinned) && pinned >= -1 && pinned < most) found.pinned = pinned;
    if (get.has("k")) found.cluster = get.get("k") === "" || !Number.isInteger(Number(get.get("k"))) ? null : Number(get.get("k"));
    const step = Number(plain("t"));
    if (get.has("t") && step >= 0) found.step = step;
    return found;
  };

  lacuna.fragment = { write, read, packPairs, unpackPairs };
})();
