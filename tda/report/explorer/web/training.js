"use strict";
// The slider over the checkpoints of training runs: layouts are turned onto one another, points move between them.
(() => {
  const { by, state, set } = lacuna;
  let playing = 0;

  // All steps of the shown training runs, ascending; the slider's value is a place among them.
  const steps = app => [...new Set(app.lanes.filter(lane => lane.frames.length > 1).flatMap(lane => lane.frames.map(frame => frame.step)))].sort((a, b) => a - b);

  const stepAt = (all, place) => {
    const low = Math.min(Math.floor(place), all.length - 1), high = Math.min(low + 1, all.length - 1);
    return all[low] + (place - low) * (all[high] - all[low]);
  };

  const placeOf = (model, view) => model.place[view === "map" ? "sphere" : view];

  // Sets what a lane shows at the state's step: the closest frame's columns, and places between two frames.
  const settle = (app, lane) => {
    const { frames } = lane, round = state.view === "sphere" || state.view === "map";
    lane.kind = round ? state.view : "plane";
    lane.columns = round ? 3 : 2;
    const all = steps(app);
    lane.at = frames.length > 1 ? stepAt(all, Math.min(state.step, all.length - 1)) : frames[0].step ?? 0;
    let high = frames.findIndex(frame => (frame.step ?? 0) >= lane.at);
    if (high < 0) high = frames.length - 1;
    const low = frames.length > 1 && frames[high].step > lane.at && high > 0 ? high - 1 : high;
    const span = (frames[high].step ?? 0) - (frames[low].step ?? 0);
    const share = span ? (lane.at - frames[low].step) / span : 0;
    lane.model = lane.loaded[share < 0.5 ? low : high];
    const [from, to] = [placeOf(lane.loaded[low], state.view), placeOf(lane.loaded[high], state.view)];
    if (!from || !to || low === high || share === 0 || lacuna.calm()) lane.place = placeOf(lane.model, state.view);
    else lane.place = lacuna.turning.between(from, to, share, round, (lane.scratch?.length === from.length ? lane.scratch : (lane.scratch = new Float32Array(from.length))));
    lane.box = round ? null : boxOf(lane);
  };

  // Around all frames of a lane: the view stands still while points move.
  const boxOf = lane => {
    const boxes = lane.loaded.map(model => placeOf(model, state.view)).filter(Boolean).map(lacuna.density.bounds);
    if (!boxes.length) return null;
    const left = Math.min(...boxes.map(box => box.left)), top = Math.min(...boxes.map(box => box.top));
    return { left, top, width: Math.max(...boxes.map(box => box.left + box.width)) - left, height: Math.max(...boxes.map(box => box.top + box.height)) - top };
  };

  const render = app => {
    const all = steps(app);
    by("training").hidden = all.length < 2;
    if (all.length < 2) { stop(); return; }
    const place = Math.min(state.step, all.length - 1);
    by("step").max = all.length - 1;
    by("step").value = place;
    by("step").setAttribute("aria-valuetext", `step ${Math.round(stepAt(all, place))}`);
    by("stepped").value = `step ${lacuna.count(Math.round(stepAt(all, place)))} of ${lacuna.count(all[all.length - 1])}`;
  };

  const stop = () => {
    clearInterval(playing);
    playing = 0;
    by("play").textContent = "Play";
  };

  const play = app => {
    if (playing) { stop(); return; }
    const last = steps(app).length - 1, stride = lacuna.calm() ? 1 : 0.05;
    if (state.step >= last) set({ step: 0 });
    by("play").textContent = "Stop";
    playing = setInterval(() => {
      set({ step: Math.min(state.step + stride, last) });
      if (state.step >= last) stop();
    }, lacuna.calm() ? 700 : 50);
  };

  const start = app => {
    by("step").addEventListener("input", () => set({ step: Number(by("step").value) }));
    by("play").addEventListener("click", () => play(app));
  };

  lacuna.training = { start, render, settle, steps };
})();
