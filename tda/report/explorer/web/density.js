"use strict";
// How many points lie where: on the sphere by the cells of a cube around it (as density.py counts all rows), in the plane by x and y.
(() => {
  const SIDE = 40;
  const ROWS = 64;
  const COLUMNS = 64;

  const part = (value, side) => Math.min(Math.max(Math.floor((Math.atan(value) * 4 / Math.PI + 1) / 2 * side), 0), side - 1);

  const cellOfSphere = (x, y, z, side) => {
    const a = Math.abs(x), b = Math.abs(y), c = Math.abs(z);
    const axis = a >= b && a >= c ? 0 : b >= c ? 1 : 2;
    const main = axis === 0 ? x : axis === 1 ? y : z, size = Math.abs(main) || 1;
    const u = (axis === 0 ? y : axis === 1 ? z : x) / size, v = (axis === 0 ? z : axis === 1 ? x : y) / size;
    return ((2 * axis + (main < 0 ? 1 : 0)) * side + part(v, side)) * side + part(u, side);
  };

  // Counts by area: cells at the corners of a face are smaller than in its middle.
  const byArea = (counts, side) => {
    const tangent = i => Math.tan(((i + 0.5) / side * 2 - 1) * Math.PI / 4);
    return Float32Array.from(counts, (value, cell) => {
      const u = tangent(cell % side), v = tangent(Math.floor(cell / side) % side);
      return value * (1 + u * u + v * v) ** 1.5 / ((1 + u * u) * (1 + v * v));
    });
  };

  // Spread over neighbours of the same face, twice, so that single points do not show as cells.
  const smooth = (counts, rows, columns, times = 2) => {
    const out = new Float32Array(counts.length), size = rows * columns;
    for (let face = 0; face < counts.length; face += size) {
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++) {
          let sum = 0, whole = 0;
          for (let y = Math.max(row - 1, 0); y <= Math.min(row + 1, rows - 1); y++) {
            for (let x = Math.max(column - 1, 0); x <= Math.min(column + 1, columns - 1); x++) {
              const weight = (y === row ? 2 : 1) * (x === column ? 2 : 1);
              sum += weight * counts[face + y * columns + x];
              whole += weight;
            }
          }
          out[face + row * columns + column] = sum / whole;
        }
      }
    }
    return times > 1 ? smooth(out, rows, columns, times - 1) : out;
  };

  const finish = (parts, rows, columns, box) => {
    const smoothed = parts.map(counts => smooth(counts, rows, columns));
    let most = 1e-9;
    for (const counts of smoothed) for (const value of counts) most = Math.max(most, value);
    return { rows, columns, shares: smoothed.map(counts => counts.map(value => Math.sqrt(value / most))), box };
  };

  // Of a model: all rows where they were counted, else the shown points.
  const grid = (model, view, place, pairs) => {
    if (view === "sphere" && model.density && place === model.place.sphere) {
      const { side, counts } = model.density, half = counts.length / 2;
      return finish([counts.subarray(0, half), counts.subarray(half)].map(one => byArea(one, side)), side, side);
    }
    if (view === "sphere") {
      const parts = [new Float32Array(6 * SIDE * SIDE), new Float32Array(6 * SIDE * SIDE)];
      for (let i = 0; i < 2 * pairs; i++) {
        if (place[3 * i] === place[3 * i]) parts[i < pairs ? 0 : 1][cellOfSphere(place[3 * i], place[3 * i + 1], place[3 * i + 2], SIDE)]++;
      }
      return finish(parts.map(one => byArea(one, SIDE)), SIDE, SIDE);
    }
    const box = bounds(place), parts = [new Float32Array(ROWS * COLUMNS), new Float32Array(ROWS * COLUMNS)];
    for (let i = 0; i < 2 * pairs; i++) {
      if (place[2 * i] !== place[2 * i]) continue;
      const column = Math.min(Math.floor((place[2 * i] - box.left) / box.width * COLUMNS), COLUMNS - 1);
      const row = Math.min(Math.floor((place[2 * i + 1] - box.top) / box.height * ROWS), ROWS - 1);
      parts[i < pairs ? 0 : 1][row * COLUMNS + column]++;
    }
    return finish(parts, ROWS, COLUMNS, box);
  };

  // Of points in the plane; never without extent.
  const bounds = place => {
    let left = Infinity, right = -Infinity, top = Infinity, bottom = -Infinity;
    for (let i = 0; i < place.length; i += 2) {
      if (place[i] !== place[i]) continue;
      left = Math.min(left, place[i]); right = Math.max(right, place[i]);
      top = Math.min(top, place[i + 1]); bottom = Math.max(bottom, place[i + 1]);
    }
    if (!(right >= left)) return { left: -1, top: -1, width: 2, height: 2 };
    return { left, top, width: right - left || 1e-6, height: bottom - top || 1e-6 };
  };

  lacuna.density = { grid, bounds, cellOfSphere };
})();
