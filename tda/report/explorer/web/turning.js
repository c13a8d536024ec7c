"use strict";
// Turns as quaternions [x, y, z, w], and their matrices, row by row.
(() => {
  const multiply = (a, b) => [
    a[3] * b[0] + a[0] * b[3] + a[1] * b[2] - a[2] * b[1],
    a[3] * b[1] - a[0] * b[2] + a[1] * b[3] + a[2] * b[0],
    a[3] * b[2] + a[0] * b[1] - a[1] * b[0] + a[2] * b[3],
    a[3] * b[3] - a[0] * b[0] - a[1] * b[1] - a[2] * b[2],
  ];

  const unit = q => { const length = Math.hypot(...q); return q.map(x => x / length); };

  // Turned by so many radians to the right and down, as seen from the front.
  const turned = (q, right, down) => {
    const about = (x, y, angle) => [x * Math.sin(angle / 2), y * Math.sin(angle / 2), 0, Math.cos(angle / 2)];
    return unit(multiply(multiply(about(0, 1, right), about(1, 0, down)), q));
  };

  const matrix = ([x, y, z, w]) => [
    1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w),
    2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w),
    2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y),
  ];

  const apply = (m, x, y, z) => [m[0] * x + m[1] * y + m[2] * z, m[3] * x + m[4] * y + m[5] * z, m[6] * x + m[7] * y + m[8] * z];

  // Between two layouts of the same points: of each point a place on its way, on the sphere along it.
  const between = (from, to, share, round, out) => {
    for (let i = 0; i < from.length; i++) out[i] = from[i] + share * (to[i] - from[i]);
    if (round) {
      for (let i = 0; i < out.length; i += 3) {
        const length = Math.hypot(out[i], out[i + 1], out[i + 2]) || 1;
        out[i] /= length; out[i + 1] /= length; out[i + 2] /= length;
      }
    }
    return out;
  };

  lacuna.turning = { turned, matrix, apply, between };
})();
