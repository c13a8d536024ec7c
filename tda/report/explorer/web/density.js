"use strict";
// How many points lie where, on a grid of equal areas: on the sphere by longitude and height, in the plane by x and y.
(() => {
  const ROWS = 64;
  const COLUMNS = 128;

  const cellOfSphere = (x, y, z, rows, columns) => {
    const row = Math.min(Math.max(Math.floor((1 - z) / 2 * rows), 0), rows - 1);
    const column = Math.min(Math.max(Math.floor((Math.atan2(y, x) / Math.PI + 1) / 2 * columns), 0), columns - 1);
    return row * columns + column;
  };

  // Spread over neighbours, so that single points do not show as cells; columns close up on the sphere.
  const smooth = (counts, rows, columns, round) => {
    const out = new Float32Array(counts.length);
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        let sum = 0;
        for (let dy = -1; dy <= 1; dy++) {
          const y = row + dy;
          if (y < 0 || y >= rows) continue;
          for (let dx = -1; dx <= 1; dx++) {
            let x = column + dx;
            if (round) x = (x + columns) % columns; else if (x < 0 || x >= columns) continue;
            sum += counts[y * columns + x] * (dx && dy ? 1 : dx || dy ? 2 : 4);
          }
        }
        out[row * columns + column] = sum / 16;
      }
    }
    return out;
  };

  const finish = (parts, rows, columns, round, box) => {
    const smoothed = parts.map(part => smooth(part, rows, columns, round));
    let most = 1e-9;
    for (const part of smoothed) for (const value of part) most = Math.max(most, value);
    const shares = smoothed.map(part => part.map(value => Math.sqrt(value / most)));
    return { rows, columns, shares, box };
  };

  // Of a model: all rows where they were counted, else the shown points.
  const grid = (model, view, place, pairs) => {
    if (view === "sphere" && model.density && place === model.place.sphere) {
      const { rows, columns, counts } = model.density;
      return { ...finish([counts.subarray(0, rows * columns), counts.subarray(rows * columns)], rows, columns, true), all: model.density.pairs };
    }
    const parts = [new Float32Array(ROWS * COLUMNS), new Float32Array(ROWS * COLUMNS)];
    if (view === "sphere") {
      for (let i = 0; i < 2 * pairs; i++) {
        if (place[3 * i] === place[3 * i]) parts[i < pairs ? 0 : 1][cellOfSphere(place[3 * i], place[3 * i + 1], place[3 * i + 2], ROWS, COLUMNS)]++;
      }
      return finish(parts, ROWS, COLUMNS, true);
    }
    const box = bounds(place);
    for (let i = 0; i < 2 * pairs; i++) {
      if (place[2 * i] !== place[2 * i]) continue;
      const column = Math.min(Math.floor((place[2 * i] - box.left) / box.width * COLUMNS), COLUMNS - 1);
      const row = Math.min(Math.floor((place[2 * i + 1] - box.top) / box.height * ROWS), ROWS - 1);
      parts[i < pairs ? 0 : 1][row * COLUMNS + column]++;
    }
    return finish(parts, ROWS, COLUMNS, false, box);
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
