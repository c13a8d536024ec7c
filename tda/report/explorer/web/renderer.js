"use strict";
// Draws points into pixels with a depth and an id for each, by hand: it needs no graphics card, and hovering is exact.
(() => {
  const NEAR = 10; // lit points lie in front of all others

  // Half the width of each line of a mark, from its top: a disc for the first member of a pair, a triangle for the second.
  const marks = radius => {
    const disc = [], triangle = [];
    for (let y = -radius; y <= radius; y++) {
      disc.push(Math.floor(Math.sqrt(Math.max(radius * radius + radius * 0.6 - y * y, 0))));
      triangle.push(Math.floor((y + radius) / 2 + 0.5));
    }
    return [disc, triangle];
  };

  const tint = ground => (ground[0] > 128 ? -9 : 9); // of the sphere's body against the page

  class Renderer {
    constructor(canvas) {
      this.canvas = canvas;
      this.context = canvas.getContext("2d", { willReadFrequently: true });
      this.width = this.height = 0;
    }

    resize(width, height) {
      if (width === this.width && height === this.height) return;
      this.width = this.canvas.width = width;
      this.height = this.canvas.height = height;
      this.image = this.context.createImageData(width, height);
      this.pixels = new Uint32Array(this.image.data.buffer);
      this.depth = new Float32Array(width * height);
      this.ids = new Int32Array(width * height);
    }

    // Where a place is on the canvas: [x, y, depth]. `view`: {kind: sphere | map | plane, matrix, scale, x, y}.
    project(view, place, i) {
      if (view.kind === "plane") return [view.x + view.scale * place[2 * i], view.y - view.scale * place[2 * i + 1], 0];
      const [x, y, z] = lacuna.turning.apply(view.matrix, place[3 * i], place[3 * i + 1], place[3 * i + 2]);
      return this.seen(view, x, y, z);
    }

    seen(view, x, y, z) {
      if (view.kind === "map") return [view.x + view.scale * Math.atan2(x, z) / Math.PI, view.y - view.scale * y / 2, 0];
      return [view.x + view.scale * x, view.y - view.scale * y, z];
    }

    // `scene`: {view, place, pairs, levels (2P: 0 hidden, 1 dim, 2 plain, 3 lit), index (2P), shades, dimmed, radius, ground, density}.
    draw(scene) {
      const { ground } = scene;
      this.pixels.fill(0xff000000 | (ground[2] << 16) | (ground[1] << 8) | ground[0]);
      this.depth.fill(-Infinity);
      this.ids.fill(-1);
      if (scene.view.kind !== "plane") this.body(scene);
      if (scene.density) this.field(scene);
      const normal = marks(scene.radius), larger = marks(scene.radius + 1);
      this.points(scene, 1, normal, scene.dimmed);
      this.points(scene, 2, normal, scene.shades);
      this.points(scene, 3, larger, scene.shades);
      this.context.putImageData(this.image, 0, 0);
    }

    points({ view, place, pairs, levels, index }, level, [disc, triangle], shades) {
      const { width, height, pixels, depth, ids } = this;
      const { kind, scale, x: cx, y: cy, matrix: m } = view;
      const radius = (disc.length - 1) / 2;
      const bias = level === 3 ? NEAR : level === 1 ? -NEAR : 0;
      for (let i = 0; i < 2 * pairs; i++) {
        if (levels[i] !== level) continue;
        let px, py, z = 0;
        if (kind === "plane") {
          px = cx + scale * place[2 * i]; py = cy - scale * place[2 * i + 1];
        } else {
          const a = place[3 * i], b = place[3 * i + 1], c = place[3 * i + 2];
          const x = m[0] * a + m[1] * b + m[2] * c, y = m[3] * a + m[4] * b + m[5] * c;
          z = m[6] * a + m[7] * b + m[8] * c;
          if (kind === "map") { px = cx + scale * Math.atan2(x, z) / Math.PI; py = cy - scale * y / 2; z = 0; } else { px = cx + scale * x; py = cy - scale * y; }
        }
        if (!(px >= -radius && px < width + radius && py >= -radius && py < height + radius)) continue;
        const column = Math.round(px), row = Math.round(py);
        const near = z + bias;
        const colour = shades[index[i] * 16 + (kind === "sphere" ? Math.min(15, Math.max(0, ((z + 1) * 7.5) | 0)) : 15)];
        const half = i < pairs ? disc : triangle;
        for (let line = 0; line < half.length; line++) {
          const y = row + line - radius;
          if (y < 0 || y >= height) continue;
          const from = Math.max(column - half[line], 0) + y * width, to = Math.min(column + half[line], width - 1) + y * width;
          for (let at = from; at <= to; at++) {
            if (near >= depth[at]) { depth[at] = near; pixels[at] = colour; ids[at] = i; }
          }
        }
      }
    }

    // The outline of the sphere, or of the map.
    body({ view, ground }) {
      const { width, height, pixels } = this;
      const [r, g, b] = ground.map(value => value + tint(ground));
      const colour = 0xff000000 | (b << 16) | (g << 8) | r;
      const half = view.kind === "map" ? view.scale / 2 : view.scale;
      for (let y = Math.max(0, Math.ceil(view.y - half)); y < Math.min(height, view.y + half); y++) {
        const wide = view.kind === "map" ? view.scale : Math.sqrt(Math.max(half * half - (y - view.y) ** 2, 0));
        const from = Math.max(0, Math.ceil(view.x - wide)), to = Math.min(width, Math.ceil(view.x + wide));
        if (to > from) pixels.fill(colour, y * width + from, y * width + to);
      }
    }

    // Density behind the points, in blocks of two by two pixels; on the sphere that of the near side.
    field({ view, density, ground: page, fieldColours }) {
      const ground = view.kind === "plane" ? page : page.map(value => value + tint(page));
      const { width, height, pixels } = this;
      const { rows, columns, shares: [first, second], box } = density;
      const { matrix: m, scale } = view;
      for (let y = 0; y < height - 1; y += 2) {
        for (let x = 0; x < width - 1; x += 2) {
          const u = (x + 1 - view.x) / scale, v = (view.y - y - 1) / scale;
          let cell;
          if (view.kind === "plane") {
            const column = Math.floor((u - box.left) / box.width * columns), row = Math.floor((v - box.top) / box.height * rows);
            if (column < 0 || row < 0 || column >= columns || row >= rows) continue;
            cell = row * columns + column;
          } else {
            let a = u, b = v, c;
            if (view.kind === "map") {
              b = 2 * v;
              if (Math.abs(u) > 1 || Math.abs(b) > 1) continue;
              const flat = Math.sqrt(1 - b * b);
              a = flat * Math.sin(u * Math.PI); c = flat * Math.cos(u * Math.PI);
            } else {
              const rest = 1 - u * u - v * v;
              if (rest < 0) continue;
              c = Math.sqrt(rest);
            }
            cell = lacuna.density.cellOfSphere(m[0] * a + m[3] * b + m[6] * c, m[1] * a + m[4] * b + m[7] * c, m[2] * a + m[5] * b + m[8] * c, rows);
          }
          const one = first[cell], two = second[cell];
          if (one + two < 0.02) continue;
          const weight = Math.min(0.75, Math.max(one, two)), share = one / (one + two);
          let colour = 0xff000000;
          for (let at = 0; at < 3; at++) {
            const full = share * fieldColours[0][at] + (1 - share) * fieldColours[1][at];
            colour |= Math.round(ground[at] + weight * (full - ground[at])) << (8 * at);
          }
          const at = y * width + x;
          pixels[at] = pixels[at + 1] = pixels[at + width] = pixels[at + width + 1] = colour;
        }
      }
    }

    // The point at a pixel or the closest one around it; -1 where there is none.
    at(x, y, reach = 7) {
      let best = -1, least = reach * reach + 1;
      for (let dy = -reach; dy <= reach; dy++) {
        for (let dx = -reach; dx <= reach; dx++) {
          const column = Math.round(x) + dx, row = Math.round(y) + dy;
          if (column < 0 || row < 0 || column >= this.width || row >= this.height) continue;
          const id = this.ids[row * this.width + column];
          if (id >= 0 && dx * dx + dy * dy < least) { least = dx * dx + dy * dy; best = id; }
        }
      }
      return best;
    }
  }

  lacuna.Renderer = Renderer;
})();
