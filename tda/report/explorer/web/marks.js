"use strict";
// Lines and rings over the points: pair lines, the great circle of a pinned pair, rings around a pair, the lasso.
(() => {
  const LINES = 400;

  // Between two unit vectors along the great circle, in `steps` parts.
  const arc = (a, b, steps = 64) => {
    const cosine = Math.min(1, Math.max(-1, a[0] * b[0] + a[1] * b[1] + a[2] * b[2]));
    const angle = Math.acos(cosine);
    if (angle < 1e-6) return [a, b];
    const aside = direction(a, angle > Math.PI - 1e-3 ? across(a) : b);
    return Array.from({ length: steps + 1 }, (_, i) => {
      const turn = angle * i / steps;
      return [0, 1, 2].map(at => Math.cos(turn) * a[at] + Math.sin(turn) * aside[at]);
    });
  };

  // The unit vector at right angles to `a` on the way to `b`; between opposite points every way is as short.
  const direction = (a, b) => {
    const along = a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    const rest = [0, 1, 2].map(at => b[at] - along * a[at]);
    const length = Math.hypot(...rest);
    return rest.map(value => value / length);
  };
  const across = a => (Math.abs(a[0]) < 0.9 ? [1, 0, 0] : [0, 1, 0]);

  const point = (place, columns, i) => Array.from(place.subarray(columns * i, columns * i + columns));

  // Of a pair: the places of its line on the canvas, as [x, y, depth].
  const track = (renderer, view, lane, pairs, pair, steps) => {
    const [a, b] = [pair, pairs + pair].map(i => point(lane.place, lane.columns, i));
    if (![...a, ...b].every(Number.isFinite)) return [];
    if (view.kind === "plane") return [a, b].map(([x, y]) => [view.x + view.scale * x, view.y - view.scale * y, 0]);
    return arc(a, b, steps).map(([x, y, z]) => renderer.seen(view, ...lacuna.turning.apply(view.matrix, x, y, z)));
  };

  const stroke = (context, places, width, wrap) => {
    for (const far of [true, false]) {
      context.beginPath();
      let open = false;
      for (let i = 1; i < places.length; i++) {
        const [from, to] = [places[i - 1], places[i]];
        if ((from[2] + to[2] < 0) !== far || Math.abs(from[0] - to[0]) > wrap) { open = false; continue; }
        if (!open) context.moveTo(from[0], from[1]);
        context.lineTo(to[0], to[1]);
        open = true;
      }
      context.setLineDash(far ? [width * 2, width * 3] : []);
      context.stroke();
    }
    context.setLineDash([]);
  };

  // Pairs whose lines are drawn: those of the selection or the matches, or evenly among all; at most `LINES`.
  const lined = shown => {
    const from = lacuna.current(shown) ?? Array.from({ length: shown.dataset.pairs }, (_, pair) => pair);
    const most = Math.min(LINES, from.length);
    return Array.from({ length: most }, (_, i) => from[Math.floor(i * from.length / most)]);
  };

  const ring = (context, [x, y, depth], radius, { ink, ground, fill }) => {
    context.globalAlpha = depth < 0 ? 0.6 : 1;
    context.beginPath();
    context.arc(x, y, radius / 2, 0, 2 * Math.PI);
    context.fillStyle = fill;
    context.fill();
    for (const [colour, width] of [[ground, 4], [ink, 2]]) {
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.stroke();
    }
    context.globalAlpha = 1;
  };

  const draw = (renderer, view, lane, shown, { pinned, hovered, lines, path, ratio }) => {
    const { context, width } = renderer;
    const pairs = shown.dataset.pairs;
    const dark = lacuna.colours.dark();
    const ink = dark ? "#f2f4f7" : "#111418", ground = dark ? "#14171b" : "#ffffff";
    const fills = lacuna.colours.modalities().map(lacuna.colours.css);
    const wrap = view.kind === "map" ? view.scale : width * 4;
    if (lines) {
      context.strokeStyle = ink;
      context.globalAlpha = 0.28;
      context.lineWidth = ratio * 0.8;
      for (const pair of lined(shown)) stroke(context, track(renderer, view, lane, pairs, pair, view.kind === "map" ? 24 : 10), ratio * 0.8, wrap);
      context.globalAlpha = 1;
    }
    for (const [pair, thick] of [[pinned, true], [hovered, false]]) {
      if (pair < 0 || (pair === pinned && !thick)) continue;
      const places = track(renderer, view, lane, pairs, pair, 64);
      if (!places.length) continue;
      context.strokeStyle = ink;
      context.lineWidth = ratio * (thick ? 2 : 1.2);
      stroke(context, places, ratio * 2, wrap);
      [places[0], places[places.length - 1]].forEach((place, side) => ring(context, place, ratio * (thick ? 8 : 6), { ink, ground, fill: fills[side] }));
    }
    if (path.length > 1) {
      context.beginPath();
      path.forEach(([x, y], i) => (i ? context.lineTo(x * ratio, y * ratio) : context.moveTo(x * ratio, y * ratio)));
      context.closePath();
      context.strokeStyle = ink;
      context.lineWidth = ratio * 1.5;
      context.setLineDash([5 * ratio, 4 * ratio]);
      context.stroke();
      context.setLineDash([]);
      context.globalAlpha = 0.08;
      context.fillStyle = ink;
      context.fill();
      context.globalAlpha = 1;
    }
  };

  const inside = (path, x, y) => {
    let within = false;
    for (let i = 0, j = path.length - 1; i < path.length; j = i++) {
      const [[ax, ay], [bx, by]] = [path[i], path[j]];
      if ((ay > y) !== (by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax) within = !within;
    }
    return within;
  };

  lacuna.marks = { draw, inside, arc };
})();
